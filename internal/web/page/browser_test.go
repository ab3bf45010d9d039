// SPDX-License-Identifier: Apache-2.0

package page_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil/browser"
)

// Both pages are wide enough that nothing is cut off.
const width, height = 1400, 1000

// opened is a tab with the agent's page, once its list is there.
func opened(t *testing.T, h *host, hash string) *browser.Tab {
	b := browser.Open(t, width, height)
	b.Do(chromedp.Navigate(h.URL + "/" + hash))
	b.Until(`document.querySelector('#list > *') && document.querySelector('#counts dd')`)
	return b
}

const lines = `[...document.querySelectorAll('#list tr.line')].map((e) => e.dataset.id)`

// to shows another place of the same page, and returns the IDs of its lines.
func to(b *browser.Tab, hash string) []string {
	browser.Eval[bool](b, `document.querySelector('#list').replaceChildren(), document.querySelector('#notice').hidden = true, history.replaceState(null, '', '#`+hash+`'), dispatchEvent(new Event('hashchange'))`)
	b.Until(`document.querySelector('#list > *') || !document.querySelector('#notice').hidden`)
	return browser.Eval[[]string](b, lines)
}

// TestBothPagesShowTheSame: the page of the agent filters in Go, that of the
// file in its script.
func TestBothPagesShowTheSame(t *testing.T) {
	h := newHost(t)
	h.play(func() {
		h.Story()
		h.Connections(60)
		h.Hostile()
		h.Wait(40 * time.Second)
	})
	live := opened(t, h, "")
	file := browser.Open(t, width, height)
	file.Do(chromedp.Navigate(h.file(t)))
	file.Until(`document.querySelector('#list > *')`)
	for _, hash := range []string{
		"", "state=open", "state=closed&sort=bytes", "transport=tcp&sort=-newest", "class=persistent", "process=ASTERISK", "process=4242&sort=requests",
		"address=203.0.113.", "address=:50", "severity=violation", "severity=advice&sort=findings", "rule=keep", "rule=TP-0&sort=-requests",
		"text=keep", "text=outbound", "text=kama", "text=persistent", "text=nobody", "sort=idle", "sort=-idle", "connection=c3", "state=open&class=persistent&text=198.51.100.2",
		"view=findings", "view=findings&sort=severity", "view=findings&sort=-count", "view=findings&rule=KEEP&severity=violation", "view=findings&text=agreed",
		"view=findings&connection=c4", "view=findings&address=203.0.113.5:", "view=actions",
		"view=peers", "view=peers&sort=requests", "view=peers&address=203.0",
	} {
		want, got := to(live, hash), to(file, hash)
		if strings.HasPrefix(hash, "view=peers") || strings.Contains(hash, "sort=") { // equal ones in any order
			slices.Sort(want)
			slices.Sort(got)
		}
		if !slices.Equal(got, want) || len(want) == 0 && !strings.Contains(hash, "nobody") && hash != "view=actions" {
			t.Errorf("%s: the agent's page has %d lines %.100q, the file's %d %.100q", hash, len(want), want, len(got), got)
		}
	}
	if asked := file.Asked("file://"); len(asked) > 0 {
		t.Errorf("the file asks for %q", asked)
	}
	if asked := live.Asked(h.URL); len(asked) > 0 {
		t.Errorf("the page asks for %q", asked)
	}
}

// TestFilters: what a person does to find a connection, and where that leads.
func TestFilters(t *testing.T) {
	h := newHost(t)
	h.play(h.Story)
	b := opened(t, h, "")
	all := len(browser.Eval[[]string](b, lines))
	b.Do(chromedp.SendKeys("#filter-text", "198.51.100.23"))
	b.Until(`document.querySelectorAll('#list tr.line').length == 1`)
	if hash := browser.Eval[string](b, `location.hash`); hash != "#text=198.51.100.23" {
		t.Errorf("the filter is not in the URL: %s", hash)
	}
	b.Do(chromedp.Click("#list .expand"))
	b.Until(`document.querySelector('#list tr.detail svg.life.large')`)
	text := browser.Eval[string](b, `document.querySelector('#list tr.detail').innerText`)
	for _, want := range []string{"KEEP-09", "no keep-alive for", "agreed: every 30 s or sooner", "Used as persistent", "What went over it"} {
		if !strings.Contains(text, want) {
			t.Errorf("the details do not have %q: %s", want, text)
		}
	}
	label := browser.Eval[string](b, `document.querySelector('#list tr.detail svg.life.large').getAttribute('aria-label')`)
	for _, want := range []string{"2 requests", "2 responses", "pings", "longer than promised", "open for"} {
		if !strings.Contains(label, want) {
			t.Errorf("the picture is called %q, without %q", label, want)
		}
	}
	b.Do(chromedp.Click(`details[data-rule="KEEP-09"] summary`))
	b.Until(`document.querySelector('details[data-rule="KEEP-09"] .rule')`)
	if text := browser.Eval[string](b, `document.querySelector('details[data-rule="KEEP-09"]').innerText`); !strings.Contains(text, "RFC 6223") {
		t.Errorf("the rule's text: %s", text)
	}
	b.Do(chromedp.Click("#clear"))
	b.Until(fmt.Sprintf(`document.querySelectorAll('#list tr.line').length == %d`, all))
	b.Do(chromedp.NavigateBack())
	b.Until(`document.querySelectorAll('#list tr.line').length == 1`)
}

// TestPaging: to the end of a long list and back.
func TestPaging(t *testing.T) {
	h := newHost(t)
	h.fill(250)
	b := opened(t, h, "")
	seen := make(map[string]bool)
	for n := range 3 {
		for _, id := range browser.Eval[[]string](b, lines) {
			if seen[id] {
				t.Errorf("%s is on two pages", id)
			}
			seen[id] = true
		}
		if n < 2 {
			first := browser.Eval[string](b, lines+"[0]")
			b.Do(chromedp.Click(`[data-key="on"]`))
			b.Until(lines + `[0] != '` + first + `'`)
		}
	}
	if len(seen) != 250 || !browser.Eval[bool](b, `document.querySelector('[data-key="on"]').disabled`) {
		t.Errorf("%d connections on three pages", len(seen))
	}
	b.Do(chromedp.Click(`[data-key="back"]`))
	b.Until(lines + `.length == 100`)
	b.Do(chromedp.NavigateBack(), chromedp.NavigateBack(), chromedp.Reload())
	b.Until(`document.querySelector('#shown') && document.querySelector('#shown').innerText.includes('page')`)
}

// TestLive: what happens is seen without a click, the idle clocks run, and the
// reader is told when the agent does not answer.
func TestLive(t *testing.T) {
	h := newHost(t)
	h.fill(10)
	b := opened(t, h, "")
	b.Until(`document.getElementById('stream').dataset.state == 'live'`)
	idle := browser.Eval[string](b, `document.querySelector('.ticking').textContent`)
	b.Until(`document.querySelector('.ticking').textContent != '` + idle + `'`)

	h.play(func() {
		h.Wait(time.Second)
		h.Open("203.0.113.200:5060", false, "newcomer").Request(false, "OPTIONS", "n", "", "")
	})
	b.Until(`document.querySelector('#list').innerText.includes('203.0.113.200:5060')`)

	// Frozen, it stays as it is.
	b.Do(chromedp.Click("#freeze"))
	h.play(func() {
		h.Wait(time.Second)
		h.Open("203.0.113.201:5060", false, "later").Request(false, "OPTIONS", "l", "", "").Close(event.Remote)
	})
	open := browser.Eval[string](b, `document.querySelector('#counts dd').textContent`)
	b.Until(`new Promise((done) => setTimeout(() => done(true), 2500))`)
	if now := browser.Eval[string](b, `document.querySelector('#counts dd').textContent`); now != open || strings.Contains(browser.Eval[string](b, `document.querySelector('#list').innerText`), "203.0.113.201") {
		t.Errorf("it was frozen and has changed")
	}
	b.Do(chromedp.Click("#freeze"))
	b.Until(`document.querySelector('#list').innerText.includes('203.0.113.201:5060')`)

	h.CloseClientConnections()
	h.Listener.Close()
	b.Until(`document.getElementById('stream').dataset.state == 'cut' && !document.getElementById('notice').hidden`)
	if text := browser.Eval[string](b, `document.getElementById('notice').textContent`); !strings.Contains(text, "does not answer since") {
		t.Errorf("the notice: %s", text)
	}
	b.Said() // of the failed fetches
}

// TestColours: as the system has them, until somebody chooses.
func TestColours(t *testing.T) {
	h := newHost(t)
	h.fill(10)
	b := opened(t, h, "")
	ground := func() string {
		return browser.Eval[string](b, `getComputedStyle(document.documentElement).backgroundColor`)
	}
	light := ground()
	b.Do(chromedp.Click("#theme"), chromedp.Click("#theme")) // light, dark
	dark := ground()
	if dark == light {
		t.Errorf("dark is light: %s", dark)
	}
	b.Do(chromedp.Reload())
	b.Until(`document.querySelector('#list tr.line')`)
	if got := ground(); got != dark {
		t.Errorf("after a reload it is %s, not %s", got, dark)
	}
	b.Do(chromedp.Click("#theme"))
	if got := ground(); got != light {
		t.Errorf("as the system: %s, not %s", got, light)
	}
}

// TestKeyboard: all of it without a mouse, and the focus stays where it was
// when the list is drawn again.
func TestKeyboard(t *testing.T) {
	h := newHost(t)
	h.play(h.Story)
	b := opened(t, h, "")
	focused := func() string {
		return browser.Eval[string](b, `((e) => e.id || e.dataset.key || e.textContent)(document.activeElement)`)
	}
	b.Do(chromedp.KeyEvent(kb.Tab))
	if got := focused(); got != "skip" {
		t.Errorf("the first stop is %s", got)
	}
	b.Do(chromedp.KeyEvent(kb.Enter))
	if got := focused(); got != "main" {
		t.Errorf("skipped to %s", got)
	}
	b.Do(chromedp.KeyEvent("/"))
	if got := focused(); got != "filter-text" {
		t.Errorf("/ leads to %s", got)
	}
	browser.Eval[string](b, `document.activeElement.value = ''`) // chromedp sends the character, though the key was taken
	b.Do(chromedp.KeyEvent("198.51.100.2"))
	b.Until(`document.querySelectorAll('#list tr.line').length == 4`)
	for range 20 {
		if b.Do(chromedp.KeyEvent(kb.Tab)); strings.HasPrefix(focused(), "open-") {
			break
		}
	}
	first := focused()
	b.Do(chromedp.KeyEvent(kb.ArrowDown))
	second := focused()
	if !strings.HasPrefix(second, "open-") || second == first {
		t.Fatalf("from %s the arrow leads to %s", first, second)
	}
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Until(`document.querySelector('#list tr.detail')`)
	if got := focused(); got != second {
		t.Errorf("the focus has gone to %s", got)
	}
	h.play(func() { h.Wait(2 * time.Second) })
	b.Until(`new Promise((done) => setTimeout(() => done(true), 2500))`)
	if got := focused(); got != second {
		t.Errorf("after the list was drawn again the focus is on %s", got)
	}
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Until(`!document.querySelector('#list tr.detail')`)
}

// SPDX-License-Identifier: Apache-2.0

package page_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/browser"
)

// TestAccessible has axe-core look at each list in both colours: what it knows
// to be a fault for who reads by ear, by keyboard or with little contrast.
func TestAccessible(t *testing.T) {
	axe, err := os.ReadFile("../../../.cache/axe-core-4.14.1/package/axe.min.js")
	if errors.Is(err, fs.ErrNotExist) {
		testutil.Missing(t, "axe-core")
	} else if err != nil {
		t.Fatal(err)
	}
	h := newHost(t)
	h.play(func() {
		h.Story()
		h.Hostile()
		h.Wait(40 * time.Second)
	})
	lists := []string{"address=198.51.100.2", "address=:666&state=closed&text=203.0.113.2", "view=findings&rule=KEEP-09", "view=peers", "view=actions", "text=nobody"}
	inside := []string{"connection=c4&open=c4", "connection=c5&open=c5&scale=linear"}
	for _, look := range []struct {
		at, colours string
		hashes      []string
	}{
		{h.URL + "/", "light", append(lists, inside...)},
		{h.URL + "/", "dark", append(lists[:1:1], inside[0], lists[2])},
		{h.file(t), "light", append(inside[:1:1], lists[0])},
	} {
		b := browser.Open(t, width, height)
		b.Do(chromedp.Navigate(look.at))
		b.Until(`document.querySelector('#list > *')`)
		browser.Eval[bool](b, string(axe)+"\n;true")
		for browser.Eval[string](b, `document.documentElement.dataset.theme || ''`) != look.colours {
			browser.Eval[bool](b, `document.getElementById("theme").click(), true`)
		}
		for _, hash := range look.hashes {
			to(b, hash)
			browser.Eval[bool](b, `document.querySelectorAll('details').forEach((e) => { e.open = true; }), true`)
			found := browser.Eval[[]string](b, `axe.run({ resultTypes: ['violations'] }).then((r) => r.violations.flatMap((v) =>
				v.nodes.slice(0, 3).map((n) => v.id + ': ' + v.help + ': ' + n.html.slice(0, 200) + ' ' + n.failureSummary)))`)
			for _, f := range found {
				t.Errorf("%s#%s, %s: %s", look.at, hash, look.colours, f)
			}
		}
	}
}

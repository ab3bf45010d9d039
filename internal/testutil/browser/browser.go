// SPDX-License-Identifier: Apache-2.0

// Package browser runs a headless Chromium for tests of what is shown in one.
package browser

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

const (
	patience = 2 * time.Minute       // for one test
	answer   = 20 * time.Second      // for one thing to become true
	again    = 20 * time.Millisecond // between two looks
)

// Tab is a tab of a browser of its own.
type Tab struct {
	ctx context.Context
	t   testing.TB

	mu    sync.Mutex
	said  []string // exceptions, and what the browser has refused or missed
	asked []string // URLs
}

// Open starts a browser whose window has the given size. The test fails at its
// end if the page has thrown, or was refused something by its policy.
func Open(t testing.TB, width, height int) *Tab {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		testutil.Missing(t, "chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.WindowSize(width, height), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-device-scale-factor", "1"),
	)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, leave := chromedp.NewContext(ctx)
	tab := &Tab{ctx: ctx, t: t}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for its end, and removes its files
			t.Error(err)
		}
		leave()
		stop()
		cancel()
		for _, s := range tab.Said() {
			t.Errorf("in the console: %s", s)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	if err := chromedp.Listen(ctx, tab.listen); err != nil {
		t.Fatal(err)
	}
	tab.Do(chromedp.EmulateViewport(int64(width), int64(height))) // the window has a frame, even if nobody sees it
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return tab
}

func (b *Tab) listen(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		b.said = append(b.said, (&chromedp.ExceptionError{ExceptionDetails: e.ExceptionDetails}).Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.said = append(b.said, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	}
}

// Do does what it is told, or fails the test.
func (b *Tab) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Eval returns what a script gives, or its promise. Policies of pages do not
// hold for it.
func Eval[T any](b *Tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// Until waits until a script gives true.
func (b *Tab) Until(script string) {
	b.t.Helper()
	late := time.After(answer)
	ticker := time.NewTicker(again)
	defer ticker.Stop()
	for !Eval[bool](b, "Boolean("+script+")") {
		select {
		case <-ticker.C:
		case <-late:
			b.t.Fatalf("%v have passed, and not so: %s", answer, script)
		}
	}
}

// Asked returns the URLs that were asked for so far, but for those that begin
// so.
func (b *Tab) Asked(but string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, url := range b.asked {
		if !strings.HasPrefix(url, but) && !strings.HasPrefix(url, "data:") {
			all = append(all, url)
		}
	}
	return all
}

// Said returns what the console says went wrong, and forgets it.
func (b *Tab) Said() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

// Screenshot writes what is to be seen to a file.
func (b *Tab) Screenshot(file string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(file, png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

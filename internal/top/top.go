// SPDX-License-Identifier: Apache-2.0

package top

import (
	"context"
	"time"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/color"
)

// every is how often the list is fetched.
const every = time.Second

// Run shows what the source knows until somebody quits or ctx is done.
//
// The screen is tcell's: it sends only the cells that have changed, which is
// what a slow SSH session needs, reads the keys of all terminals, and leaves the
// drawing to us, so that what is drawn can be tested without a terminal.
func Run(ctx context.Context, from Source) error {
	screen, err := tcell.NewScreen()
	if err != nil {
		return err
	}
	if err := screen.Init(); err != nil {
		return err
	}
	defer screen.Fini()
	return loop(ctx, screen, from)
}

func loop(ctx context.Context, screen tcell.Screen, from Source) error {
	m := newModel()
	m.width, m.height = screen.Size()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked, answers := make(chan request, 1), make(chan answer)
	go fetch(ctx, from, asked, answers)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	ask(asked, m)
	for !m.quit {
		show(screen, m.draw())
		before := m.query
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-screen.EventQ():
			if !ok {
				return nil // the terminal has gone
			}
			handle(m, screen, e)
		case a := <-answers:
			m.take(a)
		case <-ticker.C:
			if !m.frozen {
				ask(asked, m)
			}
		}
		if m.query != before {
			ask(asked, m)
		}
	}
	return nil
}

func handle(m *model, screen tcell.Screen, e tcell.Event) {
	switch e := e.(type) {
	case *tcell.EventResize:
		m.width, m.height = screen.Size()
		m.show()
		screen.Sync() // what the terminal has made of the old lines is not known
	case *tcell.EventKey:
		if name := keyName(e); name != "" {
			m.key(name)
		}
	}
}

var keyNames = map[tcell.Key]string{
	tcell.KeyUp: "Up", tcell.KeyDown: "Down", tcell.KeyPgUp: "PgUp", tcell.KeyPgDn: "PgDn", tcell.KeyHome: "Home", tcell.KeyEnd: "End",
	tcell.KeyEnter: "Enter", tcell.KeyEscape: "Esc", tcell.KeyBackspace: "Backspace", tcell.KeyBackspace2: "Backspace", tcell.KeyCtrlC: "Ctrl-C",
}

func keyName(e *tcell.EventKey) string {
	if name := keyNames[e.Key()]; name != "" {
		return name
	}
	if e.Key() == tcell.KeyRune {
		if e.Modifiers()&tcell.ModCtrl != 0 {
			return "Ctrl-" + map[string]string{"c": "C", "C": "C"}[e.Str()]
		}
		return e.Str()
	}
	return ""
}

// request is what is to be fetched.
type request = answer // with nothing but asked

// ask has the newest query fetched, in the place of one that still waits.
func ask(asked chan request, m *model) {
	select {
	case <-asked:
	default:
	}
	asked <- request{asked: m.query}
}

// fetch answers one request after the other.
func fetch(ctx context.Context, from Source, asked <-chan request, answers chan<- answer) {
	for {
		var a answer
		select {
		case <-ctx.Done():
			return
		case a = <-asked:
		}
		q := a.asked
		a.page, a.err = from.Connections(ctx, &q)
		if a.err == nil {
			a.counts, a.err = from.Counts(ctx)
		}
		a.at = time.Now()
		select {
		case <-ctx.Done():
			return
		case answers <- a:
		}
	}
}

// looks are of the sixteen colours that the terminal's user has chosen.
var looks = [numStyles]tcell.Style{
	plain:  tcell.StyleDefault,
	dim:    tcell.StyleDefault.Dim(true),
	strong: tcell.StyleDefault.Bold(true),
	head:   tcell.StyleDefault.Reverse(true),
	chosen: tcell.StyleDefault.Reverse(true).Bold(true),
	bad:    tcell.StyleDefault.Foreground(color.Maroon).Bold(true),
	warn:   tcell.StyleDefault.Foreground(color.Olive),
	info:   tcell.StyleDefault.Foreground(color.Teal),
	good:   tcell.StyleDefault.Foreground(color.Green),
}

func show(screen tcell.Screen, c *canvas) {
	for i, cell := range c.cells {
		screen.SetContent(i%c.width, i/c.width, cell.r, nil, looks[cell.s])
	}
	screen.Show()
}

// SPDX-License-Identifier: Apache-2.0

//go:build churn

package livetest

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
)

// resting is 64*T1: nothing is closed sooner after a message.
const resting = 32 * time.Second

// book is what the test knows of its connections, from what the two
// applications write and read. It knows nothing of viaduct.
type book struct {
	mu    sync.Mutex
	open  map[[2]string][]*entry // by the address of the end that may be closed at, then of the other
	all   []*entry
	wrong []string

	closes, crossed int
}

// entry is one connection.
type entry struct {
	row   *policy.Peer // of the end that it may be closed at
	acts  int          // that end: 0 is the client's, 1 the server's
	local [2]netip.AddrPort

	own     bool // one of the applications has closed it
	ended   bool // seen by the end that may be acted on, or by who closed it
	acted   bool
	pending map[string]time.Time // requests without a final response, by branch
	last    time.Time            // the newest message: when its writing began
	sent    map[string]time.Time // messages that were not read yet, by who reads them and branch
	at      struct {             // the end
		pending int
		rest    time.Duration
		half    bool
	}
	half [2]bool // an end has written the beginning of a message
}

func newBook() *book { return &book{open: make(map[[2]string][]*entry)} }

func (b *book) complain(e *entry, format string, args ...any) {
	if len(b.wrong) < 100 {
		b.wrong = append(b.wrong, fmt.Sprintf("%s to %s, row %s: ", e.local[e.acts], e.local[1-e.acts], e.row.Name)+fmt.Sprintf(format, args...))
	}
}

func (b *book) opened(row *policy.Peer, acts int, client, server netip.AddrPort) *entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := &entry{
		row: row, acts: acts, local: [2]netip.AddrPort{client, server},
		pending: make(map[string]time.Time), sent: make(map[string]time.Time),
	}
	key := [2]string{e.local[acts].String(), e.local[1-acts].String()}
	b.open[key] = append(b.open[key], e)
	b.all = append(b.all, e)
	return e
}

// write has p write the rest of a message whose first part has gone, or, if it
// is not whole yet, that part. It says whether the connection took it. No end can
// be noted in between.
func (b *book) write(p *player, text []byte, partly bool, first ...byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	began := time.Now()
	if _, err := p.conn.Write(text); err != nil {
		return false
	}
	p.e.half[p.end] = partly
	if whole := append(first, text...); !partly && whole[0] != '\r' {
		p.e.wrote(p.end, noteOf(whole), began)
	}
	return true
}

// wrote notes a message that has gone out whole: what the end that may be acted
// on has written, it has; what the other has written counts once it is read,
// since the two may cross.
func (e *entry) wrote(end int, m note, began time.Time) {
	if end != e.acts {
		e.sent[m.branch+m.first] = began
		return
	}
	e.count(m, began)
}

// read notes that end has read a message whole.
func (b *book) read(e *entry, end int, m note) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if end != e.acts {
		return
	}
	if began, ok := e.sent[m.branch+m.first]; ok {
		delete(e.sent, m.branch+m.first)
		e.count(m, began)
	}
}

func (e *entry) count(m note, began time.Time) {
	if began.After(e.last) {
		e.last = began
	}
	switch {
	case m.opens:
		e.pending[m.branch] = began
	case m.ends:
		delete(e.pending, m.branch)
	}
}

// note is what the book notes of a message.
type note struct {
	branch, first string // first is the first line
	opens, ends   bool   // a transaction
}

// end is called when the end that may be acted on reads the end of the stream,
// or when an application closes, which is own then.
func (b *book) end(e *entry, end int, own bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.ended || !own && end != e.acts {
		return
	}
	e.ended, e.own = true, own
	e.at.pending, e.at.rest, e.at.half = len(e.pending), time.Since(e.last), e.half[e.acts]
	if !own && len(e.sent) > 0 {
		b.crossed++
	}
}

// toldOf is what viaduct says that it has done, a second or so ago.
func (b *book) toldOf(a report.Action) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Action != "close" || a.Outcome != "done" {
		return
	}
	b.closes++
	e := b.latest(a.Local, a.Remote)
	switch {
	case e == nil:
		b.wrong = append(b.wrong, fmt.Sprintf("closed %s to %s, which is not one of the rows that may be", a.Local, a.Remote))
	case e.row.Enforce != policy.Enforce:
		b.complain(e, "closed in mode %s", e.row.Enforce)
	case e.acted:
		b.complain(e, "closed a second time")
	default:
		e.acted = true
	}
}

// latest returns the newest connection between the two, but one that has ended
// and is not explained yet comes first: ports are used again.
func (b *book) latest(local, remote string) *entry {
	all := b.open[[2]string{local, remote}]
	for _, e := range all {
		if e.ended && !e.own && !e.acted {
			return e
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

func (b *book) failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.wrong) > 0
}

// settled says what viaduct says that it has closed and nobody has seen closed.
func (b *book) settled() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.all {
		if e.acted && !e.ended {
			return fmt.Sprintf("%s has not ended", e.local)
		}
	}
	return ""
}

// audit judges every connection that has ended, once all is quiet.
func (b *book) audit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.all {
		switch {
		case e.ended && !e.own && !e.acted:
			b.complain(e, "closed by nobody")
		case !e.acted:
		case !e.ended:
			b.complain(e, "viaduct says that it is closed, and it is not")
		case e.at.pending > 0:
			b.complain(e, "closed with %d transactions pending", e.at.pending)
		case e.at.rest < resting:
			b.complain(e, "closed %s after its last message", e.at.rest)
		case e.at.half:
			b.complain(e, "closed within a message")
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync"

	"github.com/viaduct-project/viaduct/bpf/plaintext"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/follow"
	"github.com/viaduct-project/viaduct/internal/tlsbind"
)

// plain reads what is inside TLS connections. Its nil value does not.
type plain struct {
	w        *Watch
	probes   *plaintext.Probes
	follower *follow.Follower
	handler  plaintext.Handler

	mu     sync.Mutex // guards binder; may be held when w.mu is taken, not the reverse
	binder *tlsbind.Binder
}

// newPlain loads the probes for TLS libraries.
func newPlain(w *Watch) (*plain, error) {
	probes, err := plaintext.Load(w.probes)
	if err != nil {
		return nil, err
	}
	p := &plain{w: w, probes: probes, binder: tlsbind.New(w.handle)}
	p.follower = follow.New(probes, follow.Told{
		Followed:   func(pid uint32) { p.locked(func() { p.binder.Followed(pid, w.probes.Now()) }) },
		Unfollowed: func(pid uint32) { p.locked(func() { p.binder.Unfollowed(pid) }) },
	})
	p.handler = plaintext.Handler{Call: p.binder.Call, Gone: p.binder.Gone, Forked: p.follower.Forked, Mover: p.follower.Mover}
	w.probes.Others(func(raw []byte) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return probes.Decode(raw, &p.handler)
	})
	return p, nil
}

func (p *plain) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// saw takes an event of a TLS connection, after the core had it.
func (p *plain) saw(e *event.Event) {
	if p == nil || e.Transport != event.TLS {
		return
	}
	switch e.Kind {
	case event.Record:
		p.locked(func() { p.binder.Record(e) })
		return
	case event.Opened:
		p.locked(func() { p.binder.Opened(e) })
	case event.Closed:
		p.locked(func() { p.binder.Closed(e.Socket, e.Time) })
		return
	}
	if e.Owner.PID != 0 {
		p.follower.Want(e.Owner.PID)
	}
}

// recounted is told when all sockets have been looked at.
func (p *plain) recounted() {
	if p != nil {
		p.follower.Sweep()
	}
}

// tick drops what has waited too long, and returns what the probes lost.
func (p *plain) tick() (plaintext.Counters, error) {
	if p == nil {
		return plaintext.Counters{}, nil
	}
	p.locked(func() { p.binder.Tick(p.w.probes.Now()) })
	return p.probes.Counters()
}

func (p *plain) close() error {
	if p == nil {
		return nil
	}
	p.follower.Close()
	return p.probes.Close()
}

// TLS says how reading what is inside TLS connections is going.
type TLS struct {
	On               bool
	Followed, Opaque int // processes that are probed, and that cannot be
	Binding          tlsbind.Counters
	Now              tlsbind.Gauges
	Probes           plaintext.Counters
}

// TLS returns the figures of now.
func (w *Watch) TLS() (TLS, error) {
	p := w.plain
	if p == nil {
		return TLS{}, nil
	}
	t := TLS{On: true}
	t.Followed, t.Opaque = p.follower.Count()
	p.locked(func() { t.Binding, t.Now = p.binder.Counters(), p.binder.Gauges() })
	var err error
	t.Probes, err = p.probes.Counters()
	return t, err
}

// bound says whether the plaintext of a socket's connection is read.
func (p *plain) bound(socket uint64) (yes bool) {
	p.locked(func() { yes = p.binder.Bound(socket) })
	return yes
}

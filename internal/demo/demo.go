// SPDX-License-Identifier: Apache-2.0

// Package demo plays one SIP server and five of its neighbours, good and bad
// ones, over real TCP connections on this host's loopback, for somebody else to
// watch. It needs no privilege.
//
// What is played does not change from run to run, down to the intervals of the
// keep-alives: each script waits for what the other end has to send and fails
// without it, so that a play that ends well has done all that [Peer] promises.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Length is about how long [Play.Run] takes.
const Length = 8 * time.Second

// Peer is one neighbour of the server.
type Peer struct {
	Addr netip.AddrPort // where it listens, and its sent-by
	Does string         // a clause without a subject
	Look string         // what to look for in a report
}

// Ends names a connection by its two ends, whoever opened it.
type Ends struct{ Server, Peer netip.AddrPort }

// Play is a stage with its actors, who listen but do nothing before Run.
type Play struct {
	Server netip.AddrPort
	Peers  []Peer

	server  *actor
	actors  []*actor // of Peers
	serving sync.WaitGroup

	mu    sync.Mutex    // guards what follows
	made  map[Ends]bool // whether still open
	conns []net.Conn
	over  bool // Close was called
}

// Open finds addresses and a port on the loopback that nobody uses, and
// listens there. The caller must call Close.
func Open() (*Play, error) {
	listeners, err := bind(1+len(cast), stages())
	if err != nil {
		return nil, err
	}
	p := &Play{made: make(map[Ends]bool)}
	p.server = newActor(p, "server", listeners[0])
	p.Server = p.server.addr
	for i, role := range cast {
		a := newActor(p, role.name, listeners[1+i])
		p.actors = append(p.actors, a)
		p.Peers = append(p.Peers, Peer{Addr: a.addr, Does: role.does, Look: role.look})
	}
	p.serving.Go(p.server.serve)
	return p, nil
}

// Run plays until the end or until ctx is done, which is no error. Connections
// that a good neighbour would leave standing are still open when it returns,
// and after an early end those too that were in use.
func (p *Play) Run(ctx context.Context) error {
	// Without ctx's deadline, which would end a dial a little earlier than ctx.
	acting, fail := context.WithCancelCause(context.WithoutCancel(ctx))
	defer fail(nil)
	defer context.AfterFunc(ctx, func() { fail(context.Cause(ctx)) })()
	var all sync.WaitGroup
	for i, a := range p.actors {
		all.Go(func() {
			if err := cast[i].script(acting, a); err != nil {
				fail(fmt.Errorf("play %s at %v: %w", a.name, a.addr, err))
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(acting)
}

// Made says whether the play made this connection, and whether it has left it
// open.
func (p *Play) Made(e Ends) (made, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	open, made = p.made[e]
	return made, open
}

// Connections is how many the play has made.
func (p *Play) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.made)
}

// Close ends what is still open and waits for the server to be done. Run must
// have returned.
func (p *Play) Close() error {
	var errs []error
	for _, a := range append([]*actor{p.server}, p.actors...) {
		errs = append(errs, a.listener.Close())
	}
	p.mu.Lock()
	p.over = true
	for _, c := range p.conns {
		_ = c.Close() // it may have been closed before
	}
	p.mu.Unlock()
	p.serving.Wait()
	return errors.Join(errs...)
}

// opened notes a connection that one of the actors has made.
func (p *Play) opened(e Ends) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[e] = true
}

func (p *Play) closed(e Ends) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made[e] = false
}

// own makes Close close c.
func (p *Play) own(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		_ = c.Close() // a stranger's, accepted in the last moment
		return
	}
	p.conns = append(p.conns, c)
}

// SPDX-License-Identifier: Apache-2.0

// Package model plays two SIP entities that keep every rule, with behaviour
// drawn at random: calls with early media, forks, PRACK, CANCEL, re-INVITE,
// challenges; registrations with refreshes, outbound and keep; subscriptions;
// lost datagrams; connections that are opened, reused and closed. One fault can
// be asked for, which one of the two then commits.
//
// It makes the events that an observer on the host of one of them would get.
package model

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Config is one world.
type Config struct {
	Seed      uint64
	Transport event.Transport
	Fault     string // a rule's ID, or "" for none
	Idle      bool   // long pauses, and connections that nobody closes
}

// World is the two entities, the time, and what happens next.
type World struct {
	Now    event.Time
	Steps  int  // messages, keep-alives and lifecycle events played
	Broken bool // the fault was committed

	cfg     Config
	rng     *rand.Rand
	script  *script.Script
	emit    func(*event.Event)
	next    agenda
	ties    int
	parties [2]*party
	flow    *link            // UDP
	links   map[uint64]*link // streams, by socket
	serial  int
}

// party is one of the two. The first is this host's.
type party struct {
	w    *World
	side event.Side
	dir  event.Direction // of what it sends
	addr netip.AddrPort  // where it listens
	link *link           // that it opened, if that is open
	peer *party
	reg  *registration // where it is the client
	own  bool          // what it asks now goes over its own connection
	port uint16        // last local port used
}

// task is something that happens at a time.
type task struct {
	at  event.Time
	tie int
	f   func()
}

type agenda []task

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].tie < a[j].tie
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(task)) }
func (a *agenda) Pop() any {
	old := *a
	t := old[len(old)-1]
	*a = old[:len(old)-1]
	return t
}

// New returns a world whose events go to emit.
func New(cfg Config, emit func(*event.Event)) *World {
	w := &World{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), script: script.New(), emit: emit, links: make(map[uint64]*link)}
	w.Now = w.script.Now
	port := uint16(5060)
	if cfg.Transport == event.TLS {
		port = 5061
	}
	here := &party{w: w, side: event.Local, dir: event.Out, addr: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)}
	there := &party{w: w, side: event.Remote, dir: event.In, addr: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), port)}
	here.peer, there.peer = there, here
	w.parties = [2]*party{here, there}
	for _, p := range w.parties {
		w.live(p)
	}
	return w
}

// Run plays until so many steps were made and returns the time.
func (w *World) Run(steps int) event.Time {
	for w.Steps < steps && len(w.next) > 0 {
		t := heap.Pop(&w.next).(task)
		w.Now = max(w.Now, t.at)
		w.script.Now = w.Now
		t.f()
	}
	return w.Now
}

// after plans f for later.
func (w *World) after(d time.Duration, f func()) {
	w.ties++
	heap.Push(&w.next, task{w.Now.Add(d), w.ties, f})
}

// between draws a time.
func (w *World) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.rng.Int64N(int64(most-least)+1))
}

// chance is true in so many of a hundred cases.
func (w *World) chance(percent int) bool { return w.rng.IntN(100) < percent }

// commits says whether the fault is to be committed here, which it is once.
func (w *World) commits(fault string) bool {
	if w.cfg.Fault != fault || w.Broken {
		return false
	}
	w.Broken = true
	return true
}

// habit is commits for a fault that goes on once it has begun.
func (w *World) habit(fault string) bool {
	if w.cfg.Fault != fault {
		return false
	}
	w.Broken = true
	return true
}

// number returns one that no other has.
func (w *World) number() int {
	w.serial++
	return w.serial
}

// flush hands the events on that the script has collected.
func (w *World) flush() {
	for i := range w.script.Events {
		w.Steps++
		w.emit(&w.script.Events[i])
	}
	w.script.Events = w.script.Events[:0]
}

// stream says whether the transport is one.
func (w *World) stream() bool { return w.cfg.Transport != event.UDP }

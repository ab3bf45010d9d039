// SPDX-License-Identifier: Apache-2.0

// Package follow decides whose TLS library is probed: that of processes which
// hold a TLS SIP socket, and of the other processes of the same server, for
// which a socket may be handed on. They are found when such a socket is seen, or
// when they are forked, and left alone again when none has had one for a while.
package follow

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/gofunc"
)

const (
	proc = "/proc"

	// restFor is how long a server may be without a TLS socket before it is
	// left alone: long enough for a client that connects once a minute.
	restFor = 3 * time.Minute
	// retryAfter keeps attempts at a process that has no library yet apart.
	retryAfter = time.Second
	// maxProcesses bounds how many are probed, and how many reasons are kept.
	maxProcesses = 4096
)

// Prober attaches to a process's libraries, or to Go's TLS in its program, and
// detaches. FollowGo returns [gofunc.ErrAbsent] if the program has none.
// FollowMover attaches to a function of the program's own that moves encrypted
// bytes, see [Follower.Mover].
type Prober interface {
	Follow(pid int, libraries []string) error
	FollowGo(pid int, program string) error
	FollowMover(pid int, file string, offset uint64, shape uint8) error
	Unfollow(pid int) error
}

// Told is what is told of processes, from the follower's goroutine.
type Told struct {
	Followed   func(pid uint32) // from now on all is seen
	Unfollowed func(pid uint32)
}

// Follower follows processes. Its methods may be called from any goroutine.
type Follower struct {
	prober Prober
	told   Told

	mu     sync.Mutex
	wanted map[int]bool // asked for, not yet looked at
	forked map[int]bool
	given  map[given]bool
	swept  bool
	state  map[int]*process
	movers map[server][]mover // the goroutine's own
	wake   chan struct{}
	closed bool
	done   chan struct{}
}

// process is one that was looked at.
type process struct {
	runs     program
	started  string // its pid may come again, with the same program
	followed bool
	own      bool   // looked at since it was seen to hold a TLS socket itself
	why      string // not followed
	tried    time.Time
	wanted   time.Time // a TLS socket was last seen at it, or at its family
}

// New returns a running follower. The caller must Close it.
func New(p Prober, told Told) *Follower {
	f := &Follower{
		prober: p, told: told,
		wanted: make(map[int]bool), forked: make(map[int]bool), given: make(map[given]bool),
		state: make(map[int]*process), movers: make(map[server][]mover),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go f.run()
	return f
}

// Want says that a process holds a TLS SIP socket.
func (f *Follower) Want(pid uint32) { f.ask(func() { f.wanted[int(pid)] = true }) }

// Forked says that a process that is followed has a new child.
func (f *Follower) Forked(pid uint32) { f.ask(func() { f.forked[int(pid)] = true }) }

// Sweep looks for processes that are gone, or hold nothing any more.
func (f *Follower) Sweep() { f.ask(func() { f.swept = true }) }

func (f *Follower) ask(note func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.wanted)+len(f.forked)+len(f.given) > maxProcesses {
		return
	}
	note()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Why says why a process's plaintext is not seen, "" if it is, or was not looked
// at yet.
func (f *Follower) Why(pid uint32) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.state[int(pid)]; p != nil {
		return p.why
	}
	return ""
}

// Followed says whether a process's plaintext is seen.
func (f *Follower) Followed(pid uint32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.state[int(pid)]
	return p != nil && p.followed
}

// Count returns how many processes are followed, and how many could not be.
func (f *Follower) Count() (followed, opaque int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.state {
		if p.followed {
			followed++
		} else if p.why != "" {
			opaque++
		}
	}
	return followed, opaque
}

// Close ends the follower. What is attached stays attached.
func (f *Follower) Close() {
	f.mu.Lock()
	closed := f.closed
	f.closed = true
	f.mu.Unlock()
	if !closed {
		close(f.wake)
	}
	<-f.done
}

func (f *Follower) run() {
	defer close(f.done)
	for range f.wake {
		f.mu.Lock()
		wanted, forked, learned, sweep := f.wanted, f.forked, f.given, f.swept
		f.wanted, f.forked, f.given, f.swept = make(map[int]bool), make(map[int]bool), make(map[given]bool), false
		f.mu.Unlock()
		for pid := range forked {
			f.adopt(pid)
		}
		for pid := range wanted {
			f.want(pid)
		}
		for g := range learned {
			f.learn(g)
		}
		if sweep {
			f.sweep()
		}
	}
}

// want follows a process and its family.
func (f *Follower) want(pid int) {
	now := time.Now()
	p := f.state[pid]
	switch {
	case p == nil || !p.followed && now.Sub(p.tried) >= retryAfter:
		f.tryFamily(pid, now)
	case !p.followed && !p.own:
		// It may have been starting when it was looked at as one of a family: of
		// one that it was to leave, if it now runs another program.
		if f.try(pid, now); f.state[pid].followed {
			f.tryFamily(pid, now)
		}
	case now.Sub(p.wanted) <= time.Second:
		return
	case !same(pid, p):
		f.forget(pid, p)
		f.tryFamily(pid, now)
	default:
		f.touch(p.runs, now)
		return
	}
	if p := f.state[pid]; p != nil {
		p.own = true
	}
}

func (f *Follower) touch(runs program, now time.Time) {
	for _, p := range f.state {
		if p.runs == runs {
			p.wanted = now
		}
	}
}

func (f *Follower) try(pid int, wanted time.Time) {
	before := f.state[pid]
	if before != nil && before.followed {
		before.wanted = wanted
		return
	}
	runs, ok := programOf(proc, pid)
	if !ok {
		return
	}
	p := &process{runs: runs, started: startOf(proc, pid), tried: time.Now(), wanted: wanted}
	p.own = before != nil && before.own && before.runs == runs
	p.why = f.attach(pid)
	p.followed = p.why == ""
	if of, ok := serverOf(proc, pid); ok && p.followed {
		for _, m := range f.movers[of] {
			f.probe(pid, p, m)
		}
	}
	if p.followed { // before anybody can ask: who hears that it is followed may begin at once
		f.told.Followed(uint32(pid))
	}
	f.mu.Lock()
	if len(f.state) < maxProcesses {
		f.state[pid] = p
	}
	f.mu.Unlock()
}

// attach returns why it could not be done, "" if it was.
func (f *Follower) attach(pid int) string {
	files, why, err := libraries(proc, pid)
	switch {
	case err != nil:
	case files != nil:
		err = f.prober.Follow(pid, files)
	case why == "":
		err = f.prober.FollowGo(pid, executable(proc, pid))
	}
	switch {
	case errors.Is(err, gofunc.ErrAbsent):
		return "it is a Go program without crypto/tls; TLS of another kind is not known in it"
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return fmt.Sprintf("no privilege to probe its TLS library: %v", err)
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH):
		return "the process ended before its TLS library could be probed"
	case err != nil:
		return fmt.Sprintf("its TLS library cannot be probed: %v", err)
	}
	return why
}

// sweep lets go of processes that are gone, run something else, or whose family
// has had no TLS socket for a while.
func (f *Follower) sweep() {
	now := time.Now()
	for pid, p := range f.state {
		if !same(pid, p) || now.Sub(p.wanted) >= restFor {
			f.forget(pid, p)
		}
	}
}

// same says whether a process is the one that was looked at, and runs what it ran.
func same(pid int, p *process) bool {
	runs, ok := programOf(proc, pid)
	return ok && runs == p.runs && startOf(proc, pid) == p.started
}

func (f *Follower) forget(pid int, p *process) {
	f.mu.Lock()
	delete(f.state, pid)
	f.mu.Unlock()
	if p.followed {
		// Its links are closed whatever the kernel says of them.
		_ = f.prober.Unfollow(pid)
		f.told.Unfollowed(uint32(pid))
	}
}

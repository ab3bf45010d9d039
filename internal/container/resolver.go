// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// again is when what was not found is looked for once more: a runtime and
	// the kubelet write down a container's name around the time it starts.
	again = 5 * time.Second
	// walkPause keeps walks through the cgroups apart.
	walkPause = time.Second
	// most is how many containers are remembered. Beyond it all are forgotten,
	// which costs looking them up again.
	most = 10_000
)

// Resolver looks containers up, and remembers them. Its methods may be called
// from any goroutine. They read files of /proc, of the cgroup hierarchy and of
// the runtimes, a few milliseconds at most once a second.
type Resolver struct {
	root    string // "/", but in tests
	cgroups string // where cgroup v2 is mounted
	hybrid  bool   // there is a cgroup v1 hierarchy too

	mu     sync.Mutex
	paths  map[uint64]string // of cgroups, by id
	walked time.Time
	known  map[key]*entry
}

// key is a cgroup; where cgroup v2 may not tell containers apart, one process.
type key struct {
	cgroup uint64
	pid    uint32
}

type entry struct {
	container *event.Container // nil: none, or not known
	until     time.Time        // zero: it stays
}

// New returns a Resolver for this host, whose cgroup v2 hierarchy is mounted at
// cgroups.
func New(cgroups string) *Resolver { return newAt("/", cgroups) }

func newAt(root, cgroups string) *Resolver {
	r := &Resolver{root: root, cgroups: cgroups, known: make(map[key]*entry)}
	own, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	r.hybrid = err == nil && strings.Count(string(own), "\n") > 1
	return r
}

// Of returns the container of a socket, given the id of its cgroup and the
// process that holds it, both 0 if not known; nil if it is in none, or that is
// not known. What it returns does not change; what is found out later is
// returned by later calls.
func (r *Resolver) Of(cgroup uint64, pid uint32) *event.Container {
	if r == nil || cgroup == 0 {
		return nil
	}
	k := key{cgroup: cgroup}
	if r.hybrid {
		k.pid = pid
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.known[k]
	if e != nil && e.until.IsZero() {
		return e.container
	}
	now := time.Now()
	if e != nil && now.Before(e.until) {
		return e.container
	}
	fresh := r.look(k, now)
	if e != nil && e.container != nil && worse(fresh.container, e.container) {
		fresh.container = e.container
	}
	if len(r.known) >= most {
		clear(r.known)
	}
	r.known[k] = fresh
	return fresh.container
}

// worse says whether now tells no more than before: the same, or less, as after
// the end of a container.
func worse(now, before *event.Container) bool {
	return now == nil || *now == *before || now.ID == before.ID && now.Name == ""
}

func (r *Resolver) look(k key, now time.Time) *entry {
	e := &entry{until: now.Add(again)}
	p, sure := r.place(k, now)
	if p.id != "" {
		e.container = r.name(p)
		sure = sure && e.container.Name != ""
	}
	if sure {
		e.until = time.Time{}
	}
	return e
}

// place finds where a cgroup is. It is sure that of a socket with this cgroup
// nothing else will ever be found.
func (r *Resolver) place(k key, now time.Time) (p place, sure bool) {
	path, found := r.paths[k.cgroup]
	if !found && now.Sub(r.walked) >= walkPause {
		r.paths, r.walked = walk(r.cgroups), now
		path, found = r.paths[k.cgroup]
	}
	if found {
		p = parse(path)
	}
	if p.id != "" || !r.hybrid {
		return p, found
	}
	// A pid is used again, and its process may move.
	text, err := os.ReadFile(filepath.Join(r.root, fmt.Sprintf("proc/%d/cgroup", k.pid)))
	if err != nil {
		return p, false
	}
	return parseProc(string(text)), false
}

func (r *Resolver) name(p place) *event.Container {
	c := &event.Container{ID: p.id, PodUID: p.podUID}
	fromKubelet(r.root, c)
	if c.Name == "" {
		fromRuntime(r.root, c)
	}
	return c
}

// SPDX-License-Identifier: Apache-2.0

// Package live joins the probes in the kernel to the core: it reads events,
// lets time pass, has the sockets scanned, and gives reports. It is the one
// place where the core meets a clock and a goroutine.
package live

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/saved"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/container"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	// busyWait bounds how stale an event may get while events flow; idleWait
	// is what the wait grows to when none do. A full ring wakes us earlier.
	busyWait = 10 * time.Millisecond
	idleWait = 100 * time.Millisecond

	tickEvery = time.Second
	// scanEvery is the recount that finds missed closes and changed owners;
	// scanPause keeps scans asked for by new sockets apart.
	scanEvery = 15 * time.Second
	scanPause = time.Second
)

// Options say what to watch and within which bounds.
type Options struct {
	Probes bpf.Options
	Core   agent.Config
	// NoTLS leaves the plaintext of TLS connections alone.
	NoTLS bool
	// Restore, if set, is what an earlier agent has saved since the host was
	// started. The core keeps it.
	Restore *saved.State
	// Acted, if set, is told by Run, and at last by Close, of each action that
	// was done, and of those that were skipped, as in a dry run, or failed, once
	// a connection.
	Acted func(report.Action)
}

// Watch is a running observation of this host. Its methods may be called from
// any goroutine.
type Watch struct {
	probes  *bpf.Probes
	scans   scanner
	scanned atomic.Bool
	acts    enforcer
	keeps   keeper
	hands   lent
	keeping sync.WaitGroup
	acted   func(report.Action)
	lag     barrier
	plain   *plain // nil: what is inside TLS is not read
	noPlain string // why
	ends    ends

	mu   sync.Mutex // guards core
	core *agent.Core

	containers *container.Resolver
}

// Start loads the probes and scans for sockets that are older. The caller must
// call Run for anything to be read, and Close.
func Start(o Options) (*Watch, error) {
	if o.Restore != nil {
		for i := range o.Restore.Connections {
			o.Probes.Known = append(o.Probes.Known, o.Restore.Connections[i].Socket)
		}
	}
	probes, err := bpf.Load(o.Probes)
	if err != nil {
		return nil, err
	}
	o.Core.Source = "live"
	o.Core.Started = probes.Now()
	o.Core.Random = rand.NewChaCha8(seed())
	w := &Watch{probes: probes, acted: o.Acted, containers: container.New(probes.Cgroup())}
	o.Core.Opaque = w.whyOpaque
	w.core = agent.New(o.Core)
	if o.Restore != nil {
		w.core.Restore(o.Restore, o.Core.Started)
	}
	w.acts.w = w
	w.keeps = keeper{with: w.withCore, now: probes.Now, load: w.lend}
	w.hands.probes = probes
	w.scans = newScanner(w)
	if o.NoTLS {
		w.noPlain = "switched off"
	} else if w.plain, err = newPlain(w); err != nil {
		w.noPlain = err.Error()
	}
	return w, nil
}

// lend returns the hands for the keeper.
func (w *Watch) lend() (hands, error) {
	h, err := w.hands.get()
	if err != nil {
		return nil, err // and no hands that are nil
	}
	return h, nil
}

// seed makes what is drawn at random nobody's guess.
func seed() (s [32]byte) {
	crand.Read(s[:]) // never fails
	return s
}

// Run reads until ctx is done. Only a failure of the probes ends it earlier.
func (w *Watch) Run(ctx context.Context) error {
	wait, ticked := busyWait, time.Time{}
	w.scans.want()
	defer w.lag.end()
	keeping, stop := context.WithCancel(ctx)
	w.keeping.Go(func() { w.keeps.run(keeping) })
	defer w.keeping.Wait()
	defer stop()
	for ctx.Err() == nil {
		w.lag.begin()
		n, err := w.read(wait)
		if err != nil {
			return err
		}
		w.lag.emptied()
		wait = nextWait(wait, n)
		if err := w.scans.step(); err != nil {
			return err
		}
		if time.Since(ticked) >= tickEvery {
			ticked = time.Now()
			if err := w.tick(); err != nil {
				return err
			}
			w.acts.step()
		}
	}
	return nil
}

func (w *Watch) withCore(f func(*agent.Core)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.core)
}

func nextWait(wait time.Duration, events int) time.Duration {
	if events > 0 {
		return busyWait
	}
	return min(2*wait, idleWait)
}

func (w *Watch) read(wait time.Duration) (int, error) {
	hand := func(e *event.Event) {
		w.handle(e)
		w.plain.saw(e)
	}
	n, err := w.probes.Read(wait, func(e *event.Event) {
		w.scans.saw(e)
		if !w.ends.hold(w.plain, e) {
			hand(e)
		}
	})
	w.ends.due(w.probes.Now(), wait == 0, hand)
	return n, err
}

// handle gives an event to the core, with the container that its socket is of:
// the core knows no files.
func (w *Watch) handle(e *event.Event) {
	e.Container = w.containers.Of(e.Cgroup, e.Owner.PID)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Handle(e)
}

func (w *Watch) tick() error {
	c, err := w.probes.Counters()
	if err != nil {
		return err
	}
	p, err := w.plain.tick()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.SetLost(agent.Lost{RingFull: c.RingFullLife + c.RingFullData + p.RingFull, MapFull: c.NoStorage + p.NoStorage})
	w.core.Tick(w.probes.Now())
	return nil
}

// Finish takes what still waits, after Run has returned: the last records, the
// figures and holders of the sockets that are still open, and what the core had
// put off deciding for what might follow.
func (w *Watch) Finish() error {
	if _, err := w.read(0); err != nil {
		return err
	}
	if err := w.scans.now(); err != nil {
		return err
	}
	if _, err := w.read(0); err != nil {
		return err
	}
	if err := w.tick(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Finish(w.probes.Now())
	return nil
}

// Report says what was seen up to now.
func (w *Watch) Report() *report.Report {
	w.mu.Lock()
	r := w.core.Report(w.probes.Now())
	w.mu.Unlock()
	r.Host = host()
	r.Features = w.features()
	return r
}

// SetPolicy puts another policy in force.
func (w *Watch) SetPolicy(p *policy.Policy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.SetPolicy(p)
}

// Limited tells what the limits of the policy did since it was told before.
func (w *Watch) Limited(all []agent.Limited) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.core.Limited(all, w.probes.Now())
}

// Metrics returns the core's counters and gauges of now.
func (w *Watch) Metrics() metrics.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.core.Metrics(w.probes.Now())
}

// Scanned says whether a scan for older sockets has been done: from then on the
// open connections of this host are known.
func (w *Watch) Scanned() bool { return w.scanned.Load() }

// Probes returns what is loaded, for its own counters.
func (w *Watch) Probes() *bpf.Probes { return w.probes }

// Totals are for a line of progress.
type Totals struct {
	Connections int // open or closed
	Messages    uint64
	Lost        uint64 // of everything
}

// Totals of the observation so far.
func (w *Watch) Totals() Totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	connections, messages, lost := w.core.Totals()
	return Totals{Connections: connections, Messages: messages, Lost: lost.Total()}
}

// Close detaches the probes; Run returns.
func (w *Watch) Close() error {
	w.scans.wait()
	w.acts.release()
	w.hands.release()
	if err := w.plain.close(); err != nil {
		return fmt.Errorf("detach from TLS libraries: %w", err)
	}
	if err := w.probes.Close(); err != nil && !errors.Is(err, bpf.ErrClosed) {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}

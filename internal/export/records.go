// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	every = time.Second
	batch = 50 // connections in one hold of the core's lock, about half a millisecond
)

// Source is where records come from: it calls a function with a core, whose lock
// it holds, and the time.
type Source func(func(*agent.Core, event.Time))

// Records writes what has ended and what was found, as JSON lines. Connections
// come once, some seconds after their end; findings when they are raised first,
// actions when they were done.
type Records struct {
	source Source
	out    *file
	text   bytes.Buffer
	lines  *report.Lines
	log    *slog.Logger

	connections uint64 // number of the last one written
	finding     uint64 // ID of the newest one written
	failing     bool

	mu      sync.Mutex
	actions []report.Action

	written atomic.Uint64
	dropped atomic.Uint64
}

// mostActions is how many wait at most.
const mostActions = 1000

// OpenRecords opens the file, which is appended to; [Standard] is standard
// output. The records are of this host, from now on.
func OpenRecords(name, host string, log *slog.Logger) (*Records, error) {
	out, err := open(name)
	if err != nil {
		return nil, err
	}
	r := &Records{out: out, log: log}
	r.lines = report.NewLines(&r.text, report.Observation{Host: host, Since: time.Now().UTC()})
	return r, nil
}

// Action takes what was done, from any goroutine.
func (r *Records) Action(a report.Action) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.actions) >= mostActions {
		r.dropped.Add(1)
		return
	}
	r.actions = append(r.actions, a)
}

// Counts says how many records were written, and how many were not.
func (r *Records) Counts() (written, dropped uint64) { return r.written.Load(), r.dropped.Load() }

// Run writes until ctx is done, and then what there is to that point.
func (r *Records) Run(ctx context.Context, from Source) error {
	r.source = from
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		r.step()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	from(func(core *agent.Core, _ event.Time) { core.PutAway() })
	r.step()
	return r.out.Close()
}

func (r *Records) step() {
	r.takeActions()
	r.takeFindings()
	for r.takeConnections() == batch {
	}
}

func (r *Records) takeActions() {
	r.mu.Lock()
	fresh := r.actions
	r.actions = nil
	r.mu.Unlock()
	for i := range fresh {
		r.add(r.lines.Action(&fresh[i]))
	}
	r.flush(len(fresh))
}

func (r *Records) takeFindings() {
	var fresh []report.Finding
	newest := r.finding
	r.source(func(core *agent.Core, _ event.Time) {
		for _, f := range core.Raised() {
			if f.ID > r.finding {
				newest = max(newest, f.ID)
				fresh = append(fresh, core.FindingLine(f))
			}
		}
	})
	r.finding = newest
	for i := range fresh {
		r.add(r.lines.Finding(&fresh[i]))
	}
	r.flush(len(fresh))
}

// takeConnections writes a batch and returns how many it had.
func (r *Records) takeConnections() int {
	var fresh []report.Connection
	var ids []uint64
	on := make(map[uint64][]string) // IDs of findings by that of the connection
	r.source(func(core *agent.Core, now event.Time) {
		var missed uint64
		r.connections, missed = core.Retired(now, r.connections, batch, func(id uint64, line report.Connection) {
			fresh, ids = append(fresh, line), append(ids, id)
			on[id] = nil
		})
		r.dropped.Add(missed)
		if len(fresh) == 0 {
			return
		}
		for _, f := range core.Raised() {
			if found, ours := on[f.Conn.ID]; ours {
				on[f.Conn.ID] = append(found, core.FindingLine(f).ID)
			}
		}
	})
	for i := range fresh {
		r.add(r.lines.Connection(&fresh[i], on[ids[i]]))
	}
	r.flush(len(fresh))
	return len(fresh)
}

// add counts a record that could not be made; flush does for those of a batch
// that could not be written.
func (r *Records) add(err error) {
	if err != nil {
		r.dropped.Add(1)
		r.tell(err)
	}
}

// flush writes whole lines at once, so that no reader meets half of one. What
// cannot be written is dropped.
func (r *Records) flush(records int) {
	if records == 0 {
		return
	}
	_, err := r.out.Write(r.text.Bytes())
	r.text.Reset()
	if err != nil {
		r.dropped.Add(uint64(records))
	} else {
		r.written.Add(uint64(records))
	}
	r.tell(err)
}

// tell logs a failure, once until it is over.
func (r *Records) tell(err error) {
	if err != nil && !r.failing {
		r.log.Warn("Records are not exported", "err", err)
	}
	r.failing = err != nil
}

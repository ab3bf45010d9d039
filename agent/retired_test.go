// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestRetired: each connection that has ended is shown once, in order; what the
// ring has let go of is counted.
func TestRetired(t *testing.T) {
	const kept = 4
	core := New(Config{Started: script.Start, MaxClosed: kept})
	s := script.New()
	end := func(n int) {
		for range n {
			c := s.TCP(event.Remote, here, fmt.Sprintf("198.51.100.7:%d", 20000+len(s.Events))).Open()
			c.Close(event.Remote, event.FIN)
			s.Wait(time.Second)
		}
		for i := range s.Events {
			core.Handle(&s.Events[i])
		}
		s.Events = s.Events[:0]
		s.Wait(time.Minute)
		core.Tick(s.Now)
	}
	var since uint64
	look := func(n int) (ids []uint64, missed uint64) {
		since, missed = core.Retired(s.Now, since, n, func(id uint64, line report.Connection) {
			if line.ID != fmt.Sprint("c", id) || line.Closed == nil {
				t.Errorf("%d: %+v", id, line)
			}
			ids = append(ids, id)
		})
		return ids, missed
	}
	for _, step := range []struct {
		end, look int
		want      []uint64
		missed    uint64
	}{
		{0, 10, nil, 0},
		{2, 10, []uint64{1, 2}, 0},
		{0, 10, nil, 0},
		{3, 2, []uint64{3, 4}, 0},
		{0, 2, []uint64{5}, 0},
		{6, 10, []uint64{8, 9, 10, 11}, 2},
		{9, 1, []uint64{17}, 5},
		{0, 10, []uint64{18, 19, 20}, 0},
	} {
		end(step.end)
		if ids, missed := look(step.look); !slices.Equal(ids, step.want) || missed != step.missed {
			t.Errorf("%+v: %v, %d missed", step, ids, missed)
		}
	}
}

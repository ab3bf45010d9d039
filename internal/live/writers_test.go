// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestSideBySide: where writing takes long, as many keep-alives are written at once
// as there are lanes, none twice; where few are due, one after the other.
func TestSideBySide(t *testing.T) {
	for name, tt := range map[string]struct{ flows, most int }{
		"few":  {8, 1},
		"many": {400, act.Lanes},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newField(t, policy.Keepalive{Inject: policy.InjectAgreed})
				under, most := make(map[uint64]bool), 0
				f.ping = func(f *field, target act.Target) act.Outcome {
					f.mu.Lock()
					if under[target.Socket] {
						t.Errorf("socket %d is written to twice at once", target.Socket)
					}
					under[target.Socket] = true
					most = max(most, len(under))
					f.mu.Unlock()
					time.Sleep(100 * time.Millisecond) // of synctest's time
					f.mu.Lock()
					defer f.mu.Unlock()
					delete(under, target.Socket)
					f.sent[target.Socket] = append(f.sent[target.Socket], time.Now())
					return act.Outcome{Result: act.Done, Means: "test"}
				}
				for i := range uint64(tt.flows) {
					f.register(i+1, event.TCP, 30, 1)
				}
				ctx, stop := context.WithCancel(t.Context())
				f.keep(ctx)
				time.Sleep(5 * time.Minute)
				stop()
				time.Sleep(time.Minute) // what is under way ends
				f.mu.Lock()
				defer f.mu.Unlock()
				if most != tt.most {
					t.Errorf("%d at once, want %d", most, tt.most)
				}
				for i := range uint64(tt.flows) {
					if n := len(f.sent[i+1]); n < 9 {
						t.Errorf("socket %d: %d keep-alives in five minutes", i+1, n)
					}
				}
			})
		})
	}
}

// TestHeldUp: a keep-alive that cannot be written for a while makes no other late.
func TestHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flows, stuck = 5_000, 1
		f := newField(t, policy.Keepalive{Inject: policy.InjectAgreed})
		f.ping = func(f *field, target act.Target) act.Outcome {
			took := time.Millisecond
			if target.Socket == stuck {
				took = 40 * time.Second
			}
			time.Sleep(took) // of synctest's time
			f.mu.Lock()
			defer f.mu.Unlock()
			f.sent[target.Socket] = append(f.sent[target.Socket], time.Now())
			return act.Outcome{Result: act.Done, Means: "test"}
		}
		for i := range uint64(flows) {
			f.register(i+1, event.TCP, 30, 1)
		}
		ctx, stop := context.WithCancel(t.Context())
		f.keep(ctx)
		time.Sleep(3 * time.Minute)
		stop()
		time.Sleep(time.Minute) // what is under way ends
		f.mu.Lock()
		defer f.mu.Unlock()
		for i := range uint64(flows) {
			if gaps := f.gaps(i + 1); i+1 != stuck && (len(gaps) < 4 || slices.Max(gaps) > 30) {
				t.Fatalf("socket %d: keep-alives after %v s", i+1, gaps)
			}
		}
		if n := len(f.sent[stuck]); n < 2 {
			t.Errorf("%d keep-alives on the one that is held up", n)
		}
	})
}

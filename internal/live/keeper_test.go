// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v2"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/event"
)

// field is a host with many flows, whose peers answer or do not. Its hands do
// what the keeper asks for.
type field struct {
	t    *testing.T
	mu   sync.Mutex
	core *agent.Core
	sent map[uint64][]time.Time // by socket
	mute map[uint64]bool        // peers that do not answer
	seq  map[uint64]uint32
	ping func(*field, act.Target) act.Outcome // if set, instead
	made time.Time                            // ready for the first
}

func newField(t *testing.T, k policy.Keepalive) *field {
	p := &policy.Policy{Fallback: policy.Peer{
		Name: policy.Other, Enforce: policy.Enforce, Keepalive: k, Persistent: policy.Persistent{MaxConnections: -1},
	}}
	p.Compile()
	return &field{
		t: t, core: agent.New(agent.Config{Started: event.At(time.Now()), Policy: p}),
		sent: make(map[uint64][]time.Time), mute: make(map[uint64]bool), seq: make(map[uint64]uint32),
	}
}

func (f *field) with(do func(*agent.Core)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f.core)
}

func now() event.Time { return event.At(time.Now()) }

// keep begins to keep alive what is owed, until the context is done.
func (f *field) keep(ctx context.Context) {
	k := &keeper{with: f.with, now: now, load: func() (hands, error) { return f, nil }}
	go k.run(ctx)
	go func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				f.with(func(c *agent.Core) { c.Tick(now()) })
			}
		}
	}()
}

func (f *field) event(socket uint64, t event.Transport, k event.Kind) event.Event {
	return event.Event{
		Kind: k, Transport: t, Socket: socket, Time: now(), Initiator: event.Local, Owner: event.Process{PID: 1, Name: "phone"},
		Local:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(socket >> 16)}), uint16(socket)),
		Remote: netip.MustParseAddrPort("198.51.100.7:5060"), NextIn: 1, NextOut: f.seq[socket],
	}
}

// register has a flow registered with keep, for a day.
func (f *field) register(socket uint64, t event.Transport, seconds, cseq int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t == event.TCP && cseq == 1 {
		f.seq[socket] = uint32(socket)
		e := f.event(socket, t, event.Opened)
		e.Handshake = time.Millisecond
		f.core.Handle(&e)
	}
	proto := map[event.Transport]string{event.TCP: "TCP", event.UDP: "UDP"}[t]
	head := func(start, keep string) string {
		return fmt.Sprintf("%s\r\nVia: SIP/2.0/%s 192.0.2.1:5060;branch=z9hG4bK%d-%d;%s\r\nFrom: <sip:a%d@example.com>;tag=a\r\n"+
			"To: <sip:a%d@example.com>\r\nCall-ID: r%d@example.com\r\nCSeq: %d REGISTER\r\nExpires: 86400\r\nContent-Length: 0\r\n\r\n",
			start, proto, socket, cseq, keep, socket, socket, socket, cseq)
	}
	f.data(socket, t, event.Out, head("REGISTER sip:example.com SIP/2.0\r\nMax-Forwards: 70", "keep"), false)
	f.data(socket, t, event.In, head("SIP/2.0 200 OK", fmt.Sprintf("keep=%d", seconds)), false)
}

func (f *field) data(socket uint64, t event.Transport, d event.Direction, b string, own bool) {
	e := f.event(socket, t, event.Data)
	e.Direction, e.Payload, e.Length, e.Own = d, []byte(b), len(b), own
	if t == event.TCP {
		seq := socket
		if d == event.In {
			seq += 1 << 32
		}
		if _, known := f.seq[seq]; !known {
			f.seq[seq] = 1
		}
		e.Seq = f.seq[seq]
		f.seq[seq] += uint32(len(b))
	}
	f.core.Handle(&e)
}

// Ready is [hands].
func (f *field) Ready() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made = time.Now()
}

// Ping is [hands].
func (f *field) Ping(t act.Target, at uint32, still func() error) act.Outcome {
	if f.ping != nil {
		return f.ping(f, t)
	}
	if err := still(); err != nil {
		return act.Outcome{Result: act.Skipped, Reason: act.Busy, Err: err}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if at != f.seq[t.Socket] {
		f.t.Errorf("a ping at %d, the stream is at %d", at, f.seq[t.Socket])
	}
	f.sent[t.Socket] = append(f.sent[t.Socket], time.Now())
	f.data(t.Socket, event.TCP, event.Out, "\r\n\r\n", true)
	if !f.mute[t.Socket] {
		f.data(t.Socket, event.TCP, event.In, "\r\n", false)
	}
	return act.Outcome{Result: act.Done, Means: "test"}
}

// Binding is [hands].
func (f *field) Binding(t act.Target, packet []byte, swallow bool) act.Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &stun.Message{Raw: packet}
	if err := m.Decode(); err != nil || m.Type != stun.BindingRequest {
		f.t.Errorf("%x is no Binding request: %v", packet, err)
	}
	f.sent[t.Socket] = append(f.sent[t.Socket], time.Now())
	f.data(t.Socket, event.UDP, event.Out, string(packet), true)
	if !f.mute[t.Socket] {
		answer := stun.MustBuild(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: t.Local.Addr().AsSlice(), Port: 40000})
		f.data(t.Socket, event.UDP, event.In, string(answer.Raw), true)
	}
	return act.Outcome{Result: act.Done, Means: "test"}
}

func (f *field) Protect(all []act.Protection) []act.Outcome { return f.each(all) }
func (f *field) Check(all []act.Protection) []act.Outcome   { return f.each(all) }

func (f *field) each(all []act.Protection) []act.Outcome {
	out := make([]act.Outcome, len(all))
	for i := range out {
		out[i] = act.Outcome{Result: act.Done, Means: "test"}
	}
	return out
}

// gaps are the times between what was sent on a socket, in seconds.
func (f *field) gaps(socket uint64) (all []float64) {
	for i := 1; i < len(f.sent[socket]); i++ {
		all = append(all, f.sent[socket][i].Sub(f.sent[socket][i-1]).Seconds())
	}
	return all
}

// TestSchedules: the intervals of 10,000 flows, over ten minutes.
func TestSchedules(t *testing.T) {
	for name, transport := range map[string]event.Transport{"tcp": event.TCP, "udp": event.UDP} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const flows = 10_000
				f := newField(t, policy.Keepalive{Inject: policy.InjectAgreed})
				for i := range uint64(flows) {
					f.register(i+1, transport, 30, 1)
				}
				f.keep(t.Context())
				time.Sleep(10 * time.Minute)
				f.mu.Lock()
				defer f.mu.Unlock()
				var all []float64
				perSecond := make(map[int]int)
				for i := range uint64(flows) {
					gaps := f.gaps(i + 1)
					if len(gaps) < 18 {
						t.Fatalf("flow %d: %d gaps in ten minutes", i+1, len(gaps))
					}
					all = append(all, gaps...)
					for _, at := range f.sent[i+1][10:] {
						perSecond[at.Second()+60*at.Minute()]++
					}
				}
				slices.Sort(all)
				mean := 0.0
				for _, g := range all {
					mean += g / float64(len(all))
				}
				if all[0] < 24 || all[len(all)-1] > 30 {
					t.Errorf("gaps from %v to %v s, agreed were 24 to 30", all[0], all[len(all)-1])
				}
				if math.Abs(mean-27) > 0.2 || all[len(all)/10] > 25 || all[len(all)*9/10] < 29 {
					t.Errorf("mean %v, tenths %v and %v: not spread evenly", mean, all[len(all)/10], all[len(all)*9/10])
				}
				if r := f.core.Report(now()); len(r.Findings) > 0 && r.Findings[0].Rule != "KEEP-07" {
					t.Errorf("finding %+v", r.Findings[0])
				}
			})
		})
	}
}

// TestReady: what it takes to write is there before the first is due.
func TestReady(t *testing.T) {
	for name, tt := range map[string]struct {
		keep   policy.Keepalive
		writes bool
	}{
		"crlf": {policy.Keepalive{Inject: policy.InjectAgreed}, true},
		"tcp":  {policy.Keepalive{Inject: policy.InjectAgreed, Method: policy.MethodTCP}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newField(t, tt.keep)
				start := time.Now()
				f.register(1, event.TCP, 30, 1)
				f.keep(t.Context())
				time.Sleep(time.Minute)
				f.mu.Lock()
				defer f.mu.Unlock()
				if f.made.IsZero() == tt.writes || tt.writes && f.made.Sub(start) > time.Second {
					t.Errorf("made ready %v after the agreement, which writes: %v", f.made.Sub(start), tt.writes)
				}
			})
		})
	}
}

// TestFallSilent: peers that stop answering are pinged less and less, and as
// before once they answer again.
func TestFallSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(t, policy.Keepalive{Inject: policy.InjectAgreed})
		f.register(1, event.TCP, 30, 1)
		f.keep(t.Context())
		time.Sleep(2 * time.Minute)
		f.with(func(*agent.Core) { f.mute[1], f.sent[1] = true, nil })
		time.Sleep(time.Hour)
		f.with(func(*agent.Core) {
			gaps := f.gaps(1)
			for i, g := range gaps {
				if least := []float64{48, 96, 192, 384}[min(i, 3)]; g < least || g > least*30/24 {
					t.Errorf("gap %d is %v", i, g)
				}
			}
			if len(gaps) < 8 || len(gaps) > 13 {
				t.Errorf("gaps %v", gaps)
			}
			f.mute[1] = false
		})
		time.Sleep(9 * time.Minute)
		f.with(func(*agent.Core) { f.sent[1] = nil })
		time.Sleep(5 * time.Minute)
		f.with(func(*agent.Core) {
			if gaps := f.gaps(1); len(gaps) < 8 || slices.Max(gaps) > 30 {
				t.Errorf("gaps %v after the peer answered again", gaps)
			}
		})
	})
}

// TestStopAndRenewal: RFC 8489 section 6.2.1 to the millisecond of the keeper,
// then RFC 6223 section 10.
func TestStopAndRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(t, policy.Keepalive{Inject: policy.InjectAgreed})
		f.mute[1] = true
		f.register(1, event.UDP, 20, 1)
		f.keep(t.Context())
		time.Sleep(30 * time.Minute)
		f.mu.Lock()
		want := []float64{0.5, 1, 2, 4, 8, 16}
		gaps := f.gaps(1)
		if len(gaps) != len(want) {
			t.Fatalf("gaps %v", gaps)
		}
		for i := range want {
			if math.Abs(gaps[i]-want[i]) > 2*beatEvery.Seconds() {
				t.Errorf("copy %d after %v s, want %v", i+2, gaps[i], want[i])
			}
		}
		f.sent[1], f.mute[1] = nil, false
		f.mu.Unlock()
		f.register(1, event.UDP, 20, 2)
		time.Sleep(5 * time.Minute)
		f.mu.Lock()
		defer f.mu.Unlock()
		if gaps := f.gaps(1); len(gaps) < 14 || slices.Max(gaps) > 20 {
			t.Errorf("gaps %v after a renewal", gaps)
		}
	})
}

// TestRefusedHands: nothing can be written here, which is told; what the kernel
// can do, it does.
func TestRefusedHands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(t, policy.Keepalive{Inject: policy.InjectAgreed})
		f.ping = func(*field, act.Target) act.Outcome {
			return act.Outcome{Result: act.Failed, Err: fmt.Errorf("give viaduct CAP_SYS_PTRACE")}
		}
		f.register(1, event.TCP, 30, 1)
		f.keep(t.Context())
		time.Sleep(5 * time.Minute)
		f.mu.Lock()
		defer f.mu.Unlock()
		actions := f.core.Report(now()).Actions
		if len(actions) != 2 || actions[0].Reason != "give viaduct CAP_SYS_PTRACE" || actions[0].Count != 1 || actions[1].Action != "keepalive-tcp" || actions[1].Outcome != "done" {
			t.Errorf("actions %+v", actions)
		}
	})
}

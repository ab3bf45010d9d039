// SPDX-License-Identifier: Apache-2.0

package nattest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/policyfile"
)

// asked is what the server asks for in keep, in seconds.
const asked = 3

// cases are telephones, each called once without viaduct's help and once with.
var cases = []struct {
	name      string
	phone     func(*phone)
	keepalive string // the row's, of the policy
	server    bool   // it is the server's side that is helped
	action    string
	agreed    bool
}{
	// The scenario offers keep, but SIPp does not know pongs, and now and then takes one for the beginning of the next message.
	{"SIPp over TCP, keep agreed", func(p *phone) { p.sipp("tcp") }, "{inject: agreed, method: tcp}", false, "keepalive-tcp", true},
	{"SIPp over UDP, keep agreed", func(p *phone) { p.sipp("udp") }, "{inject: agreed, swallow_stun_answers: true}", false, "keepalive-stun", true},
	{"baresip over TCP", func(p *phone) { p.baresip("tcp") }, "{inject: always, interval: 3s}", false, "keepalive-tcp", false},
	{"baresip over TCP, CRLF", func(p *phone) { p.baresip("tcp") }, "{inject: always, interval: 3s, method: crlf}", false, "keepalive-crlf", false},
	{"baresip over TLS", func(p *phone) { p.baresip("tls") }, "{inject: always, interval: 3s}", false, "keepalive-tcp", false},
	{"linphone over TCP", func(p *phone) { p.linphone("tcp") }, "{inject: always, interval: 3s}", false, "keepalive-tcp", false},
	{"linphone over UDP", func(p *phone) { p.linphone("udp") }, "{inject: always, interval: 3s, swallow_stun_answers: true}", false, "keepalive-stun", false},
	{"linphone over TLS", func(p *phone) { p.linphone("tls") }, "{inject: always, interval: 3s}", false, "keepalive-tcp", false},
	{"baresip over TCP, Kamailio helped", func(p *phone) { p.baresip("tcp") }, "{inject: always, interval: 3s}", true, "keepalive-tcp", false},
}

// TestCallArrives: without viaduct the NAT has forgotten the telephone by the
// time of the call, which fails; with it the call arrives. A watch that may do
// nothing shows that it is not the watching that helps.
func TestCallArrives(t *testing.T) {
	type trial struct {
		*phone
		helped bool
		number int
	}
	var trials []*trial
	var rows strings.Builder
	worlds := []*world{newWorld(t, 0, len(cases)), newWorld(t, 1, len(cases))}
	for n, w := range worlds {
		enforce := []string{"observe", "enforce"}[n]
		for i, p := range w.phones {
			remote := p.server
			if cases[i].server {
				remote = p.outside
			}
			fmt.Fprintf(&rows, "- {name: case-%d-%s, match: {cidrs: [%s/32]}, enforce: %[2]s, keepalive: %[4]s}\n", i, enforce, remote, cases[i].keepalive)
			trials = append(trials, &trial{p, n == 1, i})
		}
	}
	watch := newWatch(t, "version: 1\npeers:\n"+rows.String())
	for _, w := range worlds {
		w.kamailio(asked)
	}
	for _, x := range trials {
		cases[x.number].phone(x.phone)
	}
	for _, x := range trials {
		x.registered(watch, cases[x.number].agreed)
	}
	results := make(chan string)
	for _, x := range trials {
		go func() {
			time.Sleep(time.Until(x.ready.Add(silence)))
			if x.called() != x.helped {
				results <- fmt.Sprintf("%s, viaduct helps %v: the call arrived %v", cases[x.number].name, x.helped, !x.helped)
				return
			}
			results <- ""
		}()
	}
	for range trials {
		if wrong := <-results; wrong != "" {
			t.Error(wrong)
		}
	}
	r := watch.Report()
	for _, x := range trials {
		side := x.addr
		if cases[x.number].server {
			side = x.server
		}
		x.judge(r, side, cases[x.number].action, x.helped)
	}
}

// newWatch watches under a policy until the test ends.
func newWatch(t *testing.T, text string) *live.Watch {
	t.Helper()
	p, err := policyfile.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	watch, err := live.Start(live.Options{Core: agent.Config{Policy: p}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- watch.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := watch.Close(); err != nil {
			t.Error(err)
		}
	})
	return watch
}

// connection is the telephone's own, nil if it is not there.
func (p *phone) connection(r *report.Report) *report.Connection {
	for i := range r.Connections {
		c := &r.Connections[i]
		local, err := netip.ParseAddrPort(c.Local)
		remote, err2 := netip.ParseAddrPort(c.Remote)
		if err == nil && err2 == nil && local.Addr() == p.addr && remote.Addr() == p.server {
			return c
		}
	}
	return nil
}

// registered waits until the telephone's REGISTER was answered.
func (p *phone) registered(watch *live.Watch, agreed bool) {
	p.Helper()
	p.until(func() string {
		c := p.connection(watch.Report())
		switch {
		case c == nil:
			return "the telephone has no connection"
		case agreed && (c.Negotiated.Keep == nil || c.Negotiated.Keep.Agreed == nil || !*c.Negotiated.Keep.Agreed):
			said, _ := json.Marshal(c)
			return "the server did not agree to keep: " + string(said)
		case c.Messages.ResponsesReceived == 0 && c.Transport != "tls":
			return "REGISTER was not answered"
		}
		return ""
	})
	p.ready = time.Now()
}

// judge compares what the report says of the telephone's connection, seen from
// the side that is helped, with what was done.
func (p *phone) judge(r *report.Report, side netip.Addr, action string, helped bool) {
	p.Helper()
	done := 0
	for i := range r.Actions {
		a := &r.Actions[i]
		local, remote := netip.MustParseAddrPort(a.Local).Addr(), netip.MustParseAddrPort(a.Remote).Addr()
		if local != side || remote != p.server && remote != p.outside || local == remote {
			continue
		}
		if a.Outcome == "done" {
			done += int(a.Count)
		}
		if !helped || a.Action != action || a.Mode != "enforce" || a.Outcome == "failed" {
			p.Errorf("unexpected action: %+v", a)
		}
	}
	if (done > 0) != helped {
		p.Errorf("viaduct helps %v, and has done %d actions", helped, done)
	}
	if p.Failed() {
		said, _ := json.MarshalIndent(p.connection(r), "", " ")
		p.Logf("%s", said)
	}
}

// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestFlowFails: a peer that answered falls silent.
func TestFlowFails(t *testing.T) {
	r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAgreed, CloseOnFailure: true}, policy.Enforce))
	r.pong = r.pongs(50 * time.Millisecond)
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	answer(conn, event.Out, keepRegister, 200, ";keep=30", "Expires: 3600\r\n")
	r.run(2 * time.Minute)
	r.noFindings("KEEP-07")
	r.pong = nil
	before := len(r.sent)
	r.run(time.Hour)
	r.noFindings("KEEP-07", "KEEP-09", "POL-08")
	if n := len(r.sent) - before; n < 5 || n > 12 {
		t.Errorf("%d pings to a peer that is gone, within an hour", n)
	}
	closes := 0
	for _, w := range r.c.Wishes(r.s.Now) {
		if w.Action == rule.Close {
			closes++
		}
	}
	if closes == 0 {
		t.Error("the failed flow is not to be closed")
	}
}

// TestNeverAnswers: linphone never answers; it is not dead for that.
func TestNeverAnswers(t *testing.T) {
	r := newRig(t, keeping(policy.Keepalive{Inject: policy.InjectAlways, Method: policy.MethodCRLF, Interval: 30 * time.Second, CloseOnFailure: true}, policy.Enforce))
	conn := r.tcp(event.Local, "192.0.2.1:40000", there)
	exchange(conn, event.Out, script.Msg{Method: "OPTIONS"})
	r.run(time.Hour)
	if n := len(r.sent); n < 120 {
		t.Errorf("%d pings in an hour", n)
	}
	r.noFindings()
	if due := r.c.Wishes(r.s.Now); len(due) != 0 {
		t.Errorf("wishes %+v", due)
	}
	if up := r.report().Connections[0].Upkeep; *up.Answered != "no" || up.State != "fine" {
		t.Errorf("upkeep %+v", up)
	}
}

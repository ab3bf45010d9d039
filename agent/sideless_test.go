// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/internal/model"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestSideless: where it is not known which end is this host's, no word of the
// report claims it, and addresses take the place of sides.
func TestSideless(t *testing.T) {
	talk := func(sideless bool) string {
		s := script.New()
		c := s.TCP(event.Local, "192.0.2.1:40000", there)
		c.Sideless = sideless
		c.Open()
		answer(c, event.Out, script.Msg{Method: "REGISTER", Params: ";keep;alias", More: "Supported: persistence\r\n"}, 200, ";keep=30;alias", "")
		exchange(c, event.In, script.Msg{Method: "OPTIONS", Branch: "back"})
		c.FIN(event.In)
		c.Close(event.Remote, event.FIN)
		_, r := play(t, s)
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	known, unknown := talk(false), talk(true)
	for _, tt := range []struct{ known, unknown string }{
		{`"initiator": "local"`, `"initiator": "unknown"`},
		{`"by": "remote"`, `"by": "unknown"`},
		{`"direction": "local-sends"`, `"direction": "unknown"`},
		{`"offered_by": "local"`, `"offered_by": "unknown"`},
		{`requests sent by both sides (local 1, remote 1)`, `requests sent by both sides (192.0.2.1:40000 1, ` + there + ` 1)`},
	} {
		if !strings.Contains(known, tt.known) {
			t.Errorf("with sides there is no %s in\n%s", tt.known, known)
		}
		if strings.Contains(unknown, tt.known) || !strings.Contains(unknown, tt.unknown) {
			t.Errorf("without sides %s is not %s in\n%s", tt.known, tt.unknown, unknown)
		}
	}
}

// turn gives the local place to the end that opened the connection, as a
// capture has it whose sides are not known.
func turn(e event.Event, opened map[uint64]bool) *event.Event {
	e.Sideless, e.Owner = true, event.Process{}
	if e.Kind == event.Opened && e.Initiator == event.Remote {
		opened[e.Socket] = true
	}
	if !opened[e.Socket] {
		return &e
	}
	other := func(s event.Side) event.Side { return [...]event.Side{event.Unknown, event.Remote, event.Local}[s] }
	e.Local, e.Remote, e.NextIn, e.NextOut = e.Remote, e.Local, e.NextOut, e.NextIn
	e.Initiator, e.By = other(e.Initiator), other(e.By)
	if e.Direction != 0 {
		e.Direction = opposite(e.Direction)
	}
	return &e
}

// TestConformingWithoutSides: where each of the two opens connections, and each
// is local on its own, a dialog goes on and ends on the other's all the same.
func TestConformingWithoutSides(t *testing.T) {
	for name, transport := range modelTransports {
		turned := 0
		for seed := range uint64(20) {
			core := New(Config{Started: script.Start, Profile: rule.Profile{NAT: transport != event.UDP}})
			opened := make(map[uint64]bool)
			w := model.New(model.Config{Seed: seed, Transport: transport}, func(e *event.Event) { core.Handle(turn(*e, opened)) })
			r := core.Report(w.Run(3000))
			if n := r.Summary.Findings; n.Violation+n.Advice > 0 {
				t.Errorf("%s, seed %d: findings about entities that keep the rules:%s", name, seed, findings(r))
			}
			turned += len(opened)
		}
		if transport != event.UDP && turned == 0 {
			t.Errorf("%s: the peer has opened no connection", name)
		}
	}
}

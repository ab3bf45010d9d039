// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/internal/event"
)

const start = event.Time(1e18)

type host struct {
	t   *testing.T
	tb  *Table
	now event.Time
}

func newHost(t *testing.T) *host { return &host{t, New(1000), start} }

func owner(id uint64) *Owner {
	return &Owner{Conn: &fact.Conn{ID: id, Transport: event.TCP}}
}

func (h *host) parse(s script.Msg) *message.Message {
	m := new(message.Message)
	if !m.Parse([]byte(s.String())) {
		h.t.Fatal("no message")
	}
	return m
}

func (h *host) request(o *Owner, d event.Direction, s script.Msg, want Verdict) *Transaction {
	h.t.Helper()
	m := h.parse(s)
	tx, v := h.tb.Request(o, KeyOf(m), d, m, h.now)
	if v != want {
		h.t.Errorf("%s: verdict %d, want %d", s.Method, v, want)
	}
	return tx
}

// answer takes a response to a request that went in direction d.
func (h *host) answer(o *Owner, d event.Direction, s script.Msg, want Verdict) *Transaction {
	h.t.Helper()
	m := h.parse(s)
	tx, v := h.tb.Response(o, KeyOf(m), d, m.Status, TagOf(m.ToTag), h.now)
	if v != want {
		h.t.Errorf("%d: verdict %d, want %d", s.Status, v, want)
	}
	return tx
}

func TestAnswerElsewhere(t *testing.T) {
	h := newHost(t)
	a, b := owner(1), owner(2)
	options := script.Msg{Method: "OPTIONS"}
	h.answer(b, event.Out, options.Reply(200), Unmatched)
	tx := h.request(a, event.Out, options, Fresh)
	h.answer(b, event.In, options.Reply(200), Unmatched) // of a request that went the other way
	h.tb.Release(a)                                      // its connection goes, it waits
	if got := h.answer(b, event.Out, options.Reply(200), Final); got != tx || !got.Elsewhere || got.Conn != a.Conn {
		t.Errorf("%+v", got)
	}
	if h.tb.Len() != 0 || a.Completed != 1 || a.Pending(h.now) != 0 {
		t.Errorf("%d left, %d completed", h.tb.Len(), a.Completed)
	}
}

func TestAnswerElsewhereNeedsTheNamespace(t *testing.T) {
	h := newHost(t)
	a, b := owner(1), owner(2)
	a.Conn.NetNS, b.Conn.NetNS = 1, 2
	h.request(a, event.Out, script.Msg{Method: "OPTIONS"}, Fresh)
	h.answer(b, event.Out, script.Msg{Method: "OPTIONS"}.Reply(200), Unmatched)
}

// TestSameRequestTwice: a request that is sent again on another connection is
// answered once.
func TestSameRequestTwice(t *testing.T) {
	h := newHost(t)
	a, b := owner(1), owner(2)
	invite := script.Msg{Method: "INVITE"}
	first := h.request(a, event.Out, invite, Fresh)
	second := h.request(b, event.Out, invite, Fresh)
	for other := range h.tb.Same(second) {
		if other != first {
			t.Error("not the same")
		}
	}
	if got := h.answer(b, event.Out, invite.Reply(486), Final); got != second || got.Elsewhere {
		t.Errorf("%+v", got)
	}
	if a.Pending(h.now) != 0 || first.Pending() {
		t.Error("the first copy waits")
	}
	invite.Method = "ACK"
	c := owner(3)
	if got := h.request(c, event.Out, invite, Ack); got == nil || got.Conn == c.Conn {
		t.Error("the ACK on a third connection is nobody's")
	}
}

func TestBothEnds(t *testing.T) {
	h := newHost(t)
	client, server := owner(1), owner(2)
	options := script.Msg{Method: "OPTIONS"}
	out, in := h.request(client, event.Out, options, Fresh), h.request(server, event.In, options, Fresh)
	for range h.tb.Same(out) {
		t.Error("the other end is not the same request again")
	}
	if h.answer(server, event.In, options.Reply(200), Final) != in || !out.Pending() {
		t.Error("the server's answer is not the client's")
	}
}

func TestForwarded(t *testing.T) {
	h := newHost(t)
	in, out := owner(1), owner(2)
	received := script.Msg{Method: "INVITE", Via: "SIP/2.0/TCP 198.51.100.7", Branch: "caller"}
	up := h.request(in, event.In, received, Fresh)
	var legs []*Transaction
	for n := range 2 {
		fork := script.Msg{Method: "INVITE", Branch: fmt.Sprint("proxy", n), More: "Via: SIP/2.0/TCP 198.51.100.7;branch=z9hG4bKcaller;received=198.51.100.7\r\n"}
		legs = append(legs, h.request(out, event.Out, fork, Fresh))
	}
	other := h.request(out, event.Out, script.Msg{Method: "INVITE", Branch: "x", CallID: "another", More: "Via: SIP/2.0/TCP 198.51.100.7;branch=z9hG4bKcaller\r\n"}, Fresh)
	n := 0
	for f := range up.Forks {
		if n++; f.Upstream() != up || f == other {
			t.Error("not a fork")
		}
	}
	if n != 2 || legs[0].Asked.Vias != 2 || other.Upstream() != nil {
		t.Errorf("%d forks", n)
	}
	h.tb.drop(legs[1])
	for f := range up.Forks {
		if f != legs[0] {
			t.Error("a fork that is gone")
		}
	}
	h.tb.drop(up)
	if legs[0].Upstream() != nil {
		t.Error("forwards what is gone")
	}
}

func TestAsked(t *testing.T) {
	h := newHost(t)
	for params, want := range map[string]RPort{"": RPortNone, ";rport": RPortBare, ";rport=5070": RPortValued, ";rport=x": RPortBad, ";rport=": RPortBad, ";rport=0": RPortBad} {
		tx := h.request(owner(1), event.In, script.Msg{Method: "OPTIONS", Params: params, Branch: params, To: "t"}, Fresh)
		if a := tx.Asked; a.RPort != want || want == RPortValued && a.RPortN != 5070 || !a.InDialog || a.Vias != 1 || a.CSeq != 1 || a.Size < 200 {
			t.Errorf("%q: %+v", params, a)
		}
	}
}

func TestCopies(t *testing.T) {
	h := newHost(t)
	a := owner(1)
	for n := range 20 {
		v := Retransmission
		if n == 0 {
			v = Fresh
		}
		h.request(a, event.Out, script.Msg{Method: "OPTIONS"}, v)
		h.now = h.now.Add(time.Second)
	}
	tx := a.all.Last()
	if tx.Copies != 20 || len(tx.Again) != maxAgain || tx.Again[0] != start.Add(time.Second) {
		t.Errorf("%+v", tx)
	}
	var late event.Time
	h.tb.Unanswered = func(got *Transaction, deadline event.Time) {
		if got == tx {
			late = deadline
		}
	}
	h.tb.Expire(h.now.Add(time.Hour))
	if late != start.Add(Timeout) {
		t.Errorf("unanswered at %d", late)
	}
	if again := h.request(a, event.Out, script.Msg{Method: "OPTIONS"}, Fresh); len(again.Again) != 0 || again.Copies != 1 {
		t.Errorf("used again with %+v", again)
	}
}

// TestSameBranchEverywhere: branches that are not unique cost a bounded time.
func TestSameBranchEverywhere(t *testing.T) {
	h := newHost(t)
	for n := range 100 {
		h.request(owner(uint64(n)), event.In, script.Msg{Method: "INVITE"}, Fresh)
	}
	if h.tb.Len() != maxSame || h.tb.Evicted != 100-maxSame {
		t.Errorf("%d held, %d evicted", h.tb.Len(), h.tb.Evicted)
	}
	for range 2000 {
		h.request(owner(1), event.In, script.Msg{Method: "INVITE", Branch: fmt.Sprint(h.now)}, Fresh)
		h.now++
	}
	if h.tb.Len() > h.tb.Limit {
		t.Errorf("%d held", h.tb.Len())
	}
}

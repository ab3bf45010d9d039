// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

// captured is a script of one connection of each kind, as a capture can show
// it: packets of one connection do not come at the same time as its handshake,
// and no event tells of what is not on the wire.
func captured() *script.Script {
	s := script.New()
	tick := func() { s.Wait(time.Millisecond) }
	exchange := func(c *script.Conn, d event.Direction, m script.Msg) {
		c.Data(d, m.String())
		tick()
		c.Data(event.In+event.Out-d, m.Reply(200).String())
		tick()
	}
	open := func(c *script.Conn) *script.Conn {
		c.Owner = event.Process{}
		c.NextIn, c.NextOut, c.OpenedAt = c.SeqIn, c.SeqOut, s.Now
		c.Open()
		s.Last().Time = s.Now.Add(s.Last().Handshake)
		s.Wait(5 * time.Millisecond)
		return c
	}
	phone := open(s.TCP(event.Remote, "192.0.2.1:5060", "198.51.100.20:40001"))
	exchange(phone, event.In, script.Msg{Method: "REGISTER", Params: ";keep;alias", More: "Supported: outbound\r\n"})
	for range 3 {
		s.Wait(20 * time.Second)
		phone.In("\r\n\r\n")
		tick()
		phone.Out("\r\n")
	}
	trunk := open(s.TCP(event.Local, "192.0.2.1:40002", "198.51.100.7:5060"))
	message := script.Msg{Method: "INVITE", Branch: "inv", Params: ";persistent"}.String()
	seq := trunk.SeqOut
	trunk.Segment(event.Out, seq+10, message[10:]) // in the wrong order
	tick()
	trunk.Segment(event.Out, seq, message[:10])
	trunk.SeqOut += uint32(len(message))
	s.Wait(time.Second)
	trunk.Segment(event.In, trunk.SeqIn+100, "rest of what was lost")
	trunk.SeqIn += 121
	s.Wait(40 * time.Second)
	trunk.FIN(event.In)
	s.Wait(2 * time.Second)
	trunk.Close(event.Remote, event.FIN)
	reset := open(s.TCP(event.Local, "192.0.2.1:40003", "198.51.100.7:5060"))
	reset.Out(script.Msg{Method: "OPTIONS", Branch: "opt"}.String())
	s.Wait(time.Second)
	reset.Close(event.Remote, event.RST)
	refused := s.TCP(event.Local, "192.0.2.1:40004", "198.51.100.8:5060")
	refused.Owner, refused.OpenedAt, refused.NextOut = event.Process{}, s.Now, 77
	s.Wait(3 * time.Millisecond)
	refused.Close(event.Remote, event.Refused)
	s.Last().Handshake = 0
	unreachable := s.TCP(event.Local, "192.0.2.1:40005", "198.51.100.9:5060")
	unreachable.Owner, unreachable.OpenedAt, unreachable.NextOut = event.Process{}, s.Now, 78
	s.Wait(3 * time.Millisecond)
	unreachable.Close(event.Unknown, event.Unreachable)
	s.Last().Handshake = 0
	udp := s.UDP("192.0.2.1:5060", "198.51.100.30:5060")
	udp.Owner = event.Process{}
	exchange(udp, event.In, script.Msg{Method: "OPTIONS", Via: "SIP/2.0/UDP 198.51.100.30", Branch: "udp"})
	s.Wait(20 * time.Second)
	udp.In("\r\n\r\n") // the last packet
	return s
}

// TestCaptureGivesTheSameReport: a conversation as events, and the same one
// read back from the packets that carried it.
func TestCaptureGivesTheSameReport(t *testing.T) {
	s := captured()
	want := agent.New(agent.Config{Started: script.Start})
	var b bytes.Buffer
	w := capturetest.NewEvents(capturetest.New(&b, layers.LinkTypeLinuxSLL2))
	for i := range s.Events {
		e := s.Events[i]
		w.Write(&e)
		want.Handle(&e)
	}
	want.Finish(s.Now)
	got := agent.New(agent.Config{Started: script.Start})
	read, err := capture.Read(context.Background(), &b, track.Options{Local: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, got)
	if err != nil || read.Cut != nil || read.Last != s.Now || read.First != script.Start {
		t.Fatalf("%+v, %v; the script ends at %v", read, err, s.Now.Go())
	}
	got.Finish(read.Last)
	if n := len(want.Report(s.Now).Connections); n != 6 {
		t.Fatalf("%d connections in the script", n)
	}
	if diff := firstDifference(reportOf(t, want, s.Now), reportOf(t, got, read.Last)); diff != "" {
		t.Error(diff)
	}
}

func reportOf(t *testing.T, c *agent.Core, now event.Time) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Report(now).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func firstDifference(a, b string) string {
	la, lb := bytes.Split([]byte(a), []byte("\n")), bytes.Split([]byte(b), []byte("\n"))
	for i := range min(len(la), len(lb)) {
		if !bytes.Equal(la[i], lb[i]) {
			return fmt.Sprintf("line %d\n- %s\n+ %s\nafter %s", i+1, la[i], lb[i], bytes.Join(la[max(0, i-15):i], []byte("\n")))
		}
	}
	if len(la) != len(lb) {
		return "one is longer"
	}
	return ""
}

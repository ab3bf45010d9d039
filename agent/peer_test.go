// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

func TestPeerTotals(t *testing.T) {
	s := script.New()
	for n := range 3 {
		s.TCP(event.Local, fmt.Sprintf("192.0.2.1:%d", 40000+n), there).Open()
	}
	s.TCP(event.Local, "192.0.2.1:40003", there).MidLife() // not opened now
	s.TCP(event.Local, "192.0.2.1:41000", there).Close(event.Unknown, event.Refused)
	s.TCP(event.Local, "192.0.2.1:42000", "198.51.100.9:5060").Open()
	_, r := play(t, s)
	if len(r.Peers) != 2 {
		t.Fatalf("%d peers", len(r.Peers))
	}
	p := r.Peers[0]
	if p.Address != "198.51.100.7" || p.ConnectionsOpened != 3 || p.ConnectFailures != 1 || p.HandshakeSecondsSpent != 0.003 {
		t.Errorf("%+v", p)
	}
}

func TestRequestsPerConnection(t *testing.T) {
	s := script.New()
	for n, requests := range []int{0, 1, 3} {
		c := s.TCP(event.Local, fmt.Sprintf("192.0.2.1:%d", 40000+n), there).Open()
		for i := range requests {
			invite := script.Msg{Method: "INVITE", Branch: fmt.Sprintf("%d-%d", n, i)}
			c.Out(invite.String())
			c.Out(invite.String()) // retransmitted
			cancel := invite
			cancel.Method = "CANCEL"
			exchange(c, event.Out, cancel)
			c.In(invite.Reply(487).String())
			ack := invite
			ack.Method = "ACK"
			c.Out(ack.String())
		}
	}
	_, r := play(t, s)
	p := r.Peers[0]
	if p.Requests != 4 || p.RequestsReused != 2 || p.ConnectionsReused != 1 || p.RequestsPerConnection != 2 {
		t.Errorf("%+v", p)
	}
}

func TestDuplicatePairs(t *testing.T) {
	out := func(s *script.Script) *script.Conn {
		return s.TCP(event.Local, "192.0.2.1:40000", "198.51.100.7:5070").Open()
	}
	in := func(s *script.Script, via string) *script.Conn {
		c := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
		c.In(script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TCP " + via}.String())
		return c
	}
	for _, tt := range []struct {
		name string
		play func(s *script.Script)
		want uint64
	}{
		{"out only", func(s *script.Script) { out(s) }, 0},
		{"in only", func(s *script.Script) { in(s, "198.51.100.7:5070") }, 0},
		{"out, then in", func(s *script.Script) { out(s); in(s, "198.51.100.7:5070") }, 1},
		{"in, then out", func(s *script.Script) { in(s, "198.51.100.7:5070"); out(s) }, 1},
		{"sent-by is a name", func(s *script.Script) { out(s); in(s, "peer.example.com:5070") }, 1},
		{"sent-by of another host", func(s *script.Script) { out(s); in(s, "10.0.0.1:5070") }, 0},
		{"another port", func(s *script.Script) { out(s); in(s, "198.51.100.7:5080") }, 0},
		{"default port", func(s *script.Script) {
			s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			in(s, "198.51.100.7")
		}, 1},
		{"sent-by not known", func(s *script.Script) {
			out(s)
			s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
		}, 0},
		{"one after the other", func(s *script.Script) {
			c := out(s)
			c.Close(event.Local, event.FIN)
			in(s, "198.51.100.7:5070")
		}, 0},
		{"again", func(s *script.Script) {
			out(s).Close(event.Local, event.FIN)
			out(s)
			in(s, "198.51.100.7:5070").Close(event.Local, event.FIN)
			in(s, "198.51.100.7:5070")
		}, 2},
		{"two out, one in", func(s *script.Script) { out(s); out(s); in(s, "198.51.100.7:5070") }, 1},
		{"other network namespace", func(s *script.Script) {
			c := s.TCP(event.Local, "192.0.2.1:40000", "198.51.100.7:5070")
			c.NetNS = 7
			c.Open()
			in(s, "198.51.100.7:5070")
		}, 0},
		{"other local address", func(s *script.Script) {
			s.TCP(event.Local, "192.0.2.99:40000", "198.51.100.7:5070").Open()
			in(s, "198.51.100.7:5070")
		}, 0},
		{"both ends of one connection", func(s *script.Script) {
			s.TCP(event.Local, "127.0.0.1:40000", "127.0.0.1:5060").Open()
			c := s.TCP(event.Remote, "127.0.0.1:5060", "127.0.0.1:40000").Open()
			c.In(script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TCP 127.0.0.1"}.String())
		}, 0},
		{"a pair on one host, each end seen", func(s *script.Script) {
			for _, ports := range [][2]int{{5060, 5080}, {5080, 5060}} {
				from := fmt.Sprintf("127.0.0.1:%d", 40000+ports[0])
				to := fmt.Sprintf("127.0.0.1:%d", ports[1])
				s.TCP(event.Local, from, to).Open()
				c := s.TCP(event.Remote, to, from).Open()
				c.In(script.Msg{Method: "OPTIONS", Via: fmt.Sprintf("SIP/2.0/TCP 127.0.0.1:%d", ports[0])}.String())
			}
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			tt.play(s)
			core, r := play(t, s)
			if got := r.Peers[0].DuplicatePairs; got != tt.want {
				t.Errorf("%d pairs, want %d", got, tt.want)
			}
			for cookie := range uint64(8) {
				if conn := core.tcp[cookie]; conn != nil {
					e := event.Event{Kind: event.Closed, Transport: event.TCP, Socket: cookie, Local: conn.Local, Remote: conn.Remote, Time: s.Now}
					core.Handle(&e)
				}
			}
			if n := core.Sizes().Pairs; n != 0 {
				t.Errorf("%d neighbours left over", n)
			}
		})
	}
}

func TestAliasNotUsed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		back    bool // a request comes back on the first connection
		reverse bool // the peer opens one of its own
		want    string
	}{
		{"nothing came back", false, false, "offered"},
		{"a connection of its own", false, true, "not-used"},
		{"both", true, true, "used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			a := s.TCP(event.Local, "192.0.2.1:40000", there).Open()
			exchange(a, event.Out, script.Msg{Method: "OPTIONS", Params: ";alias"})
			if tt.back {
				exchange(a, event.In, script.Msg{Method: "MESSAGE", Branch: "back"})
			}
			if tt.reverse {
				b := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
				exchange(b, event.In, script.Msg{Method: "OPTIONS", Via: "SIP/2.0/TCP 198.51.100.7", Branch: "own"})
			}
			core, r := play(t, s)
			if got := r.Connections[0].Negotiated.Alias.Outcome; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			first, second := core.tcp[1], core.tcp[2]
			if got := core.reverse(&first.Conn); tt.reverse != (second != nil && got == &second.Conn) {
				t.Errorf("reverse connection %v", got)
			}
		})
	}
}

func TestIdleTimeoutInferred(t *testing.T) {
	for _, tt := range []struct {
		name string
		idle []float64 // seconds
		want float64   // 0: none
	}{
		{"too few", []float64{60, 60}, 0},
		{"three alike", []float64{60, 61, 60.5}, 60.5},
		{"within a tenth", []float64{120, 112, 109}, 112},
		{"not alike", []float64{60, 40, 20}, 0},
		{"short ones within a second", []float64{5, 5.9, 5.5}, 5.5},
		{"a longer silence speaks against it", []float64{60, 60, 60, 300}, 0},
		{"a shorter one may have another reason", []float64{60, 7, 60, 60}, 60},
		{"but not most of them", []float64{60, 60, 60, 7, 8, 9}, 0},
		{"under a second", []float64{0.5, 0.5, 0.5, 0.5}, 0},
		{"only the newest count", append(repeat(10, 20), repeat(30, 16)...), 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := script.New()
			for n, idle := range tt.idle {
				c := s.TCP(event.Remote, here, fmt.Sprintf("198.51.100.7:%d", 40000+n)).Open()
				exchange(c, event.In, script.Msg{Method: "OPTIONS"})
				s.Wait(time.Duration(idle * float64(time.Second)))
				c.FIN(event.In)
				c.Close(event.Remote, event.FIN)
			}
			// None of these tells of an idle timer.
			for n, end := range []func(c *script.Conn){
				func(c *script.Conn) { c.FIN(event.Out); c.Close(event.Local, event.FIN) },
				func(c *script.Conn) { c.Close(event.Remote, event.RST) },
				func(c *script.Conn) {
					c.In(script.Msg{Method: "INVITE"}.String())
					c.In(script.Msg{Method: "INVITE"}.Reply(180).String())
					c.Out(script.Msg{Method: "INVITE"}.Reply(180).String())
					s.Wait(100 * time.Second)
					c.FIN(event.In)
					c.Close(event.Remote, event.FIN)
				},
			} {
				c := s.TCP(event.Remote, here, fmt.Sprintf("198.51.100.7:%d", 50000+n)).Open()
				s.Wait(1000 * time.Second)
				end(c)
			}
			_, r := play(t, s)
			got := 0.0
			if v := r.Peers[0].IdleTimeoutSecondsInferred; v != nil {
				got = *v
			}
			if got != tt.want {
				t.Errorf("inferred %v s, want %v", got, tt.want)
			}
		})
	}
}

func repeat(v float64, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// TestChurn: what one persistent connection to each server would have spared.
func TestChurn(t *testing.T) {
	s := script.New()
	for n := range 4 {
		c := s.TCP(event.Local, fmt.Sprintf("192.0.2.1:%d", 40000+n), there).Open()
		if n != 1 { // that one carries nothing: a probe
			exchange(c, event.Out, script.Msg{Method: "OPTIONS", Branch: fmt.Sprint(n)})
		}
		c.Close(event.Local, event.FIN)
	}
	for n, sentBy := range []string{"198.51.100.7", "198.51.100.7", "10.0.0.1", "10.0.0.1"} {
		c := s.TCP(event.Remote, here, fmt.Sprintf("198.51.100.7:%d", 50000+n)).Open()
		exchange(c, event.In, script.Msg{Method: "OPTIONS", Branch: fmt.Sprint("in", n), Via: "SIP/2.0/TCP " + sentBy})
	}
	_, r := play(t, s)
	p := r.Peers[0]
	// Two of three out, one of two in; those behind a NAT may be many hosts.
	if p.AvoidableHandshakes != 3 || p.AvoidableSeconds != 0.003 {
		t.Errorf("%d handshakes, %v s, want 3 and 0.003 s", p.AvoidableHandshakes, p.AvoidableSeconds)
	}
}

// TestCadence: how often the peer sends keep-alives, beside what it promised.
func TestCadence(t *testing.T) {
	s := script.New()
	c := s.TCP(event.Remote, here, "198.51.100.7:40000").Open()
	register := script.Msg{Method: "REGISTER", Params: ";keep", Via: "SIP/2.0/TCP 198.51.100.7", More: "Contact: <sip:a@198.51.100.7>;expires=3600\r\n"}
	c.In(register.String())
	ok := register.Reply(200)
	ok.Params, ok.More = ";keep=30", "Contact: <sip:a@198.51.100.7>;expires=3600\r\n"
	c.Out(ok.String())
	for _, gap := range []time.Duration{20, 30, 40} {
		s.Wait(gap * time.Second)
		c.In("\r\n\r\n")
		c.Out("\r\n")
		c.Out("\r\n\r\n") // this side's own say nothing about the peer
		c.In("\r\n")
	}
	_, r := play(t, s)
	k := r.Peers[0].Keepalives
	if k == nil || k.Intervals != 2 || k.MeanSeconds != 35 || k.LongestSeconds != 40 || k.PromisedSeconds == nil || *k.PromisedSeconds != 30 || k.Late != 1 {
		t.Errorf("%+v", k)
	}
}

// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// write is something that the client writes at once, and what it has waited
// for before. R stands for a request, P for a ping.
type write struct {
	after time.Duration
	what  string
}

// keepaliveCases are ways in which keep-alives and messages come together on a
// stream. Tools that read streams by the packet lose messages in most of them.
var keepaliveCases = []struct {
	name    string
	midLife bool
	writes  []write
}{
	{"plain request", false, []write{{0, "R"}}},
	{"request soon after a ping", false, []write{{0, "P"}, {350 * time.Millisecond, "R"}}},
	{"ping and request in one segment", false, []write{{0, "PR"}}},
	{"request in three segments", false, []write{{0, "1"}, {time.Millisecond, "2"}, {time.Millisecond, "3"}}},
	{"two requests in one segment", false, []write{{0, "RR"}}},
	{"ping well before the request", false, []write{{0, "P"}, {5 * time.Second, "R"}}},
	{"opened before the observation", true, []write{{0, "R"}}},
	{"opened before the observation, ping first", true, []write{{0, "P"}, {150 * time.Millisecond, "R"}}},
	{"ping between two requests", false, []write{{0, "R"}, {400 * time.Millisecond, "P"}, {400 * time.Millisecond, "R"}}},
	{"two requests with a ping between in one segment", false, []write{{0, "RPR"}}},
}

// split cuts b; the pieces come a millisecond apart.
type split struct {
	name string
	cut  func(b string, send func(string))
}

func splits(longest int) []split {
	all := []split{
		{"whole", func(b string, send func(string)) { send(b) }},
		{"by bytes", func(b string, send func(string)) {
			for i := range b {
				send(b[i : i+1])
			}
		}},
	}
	for at := 1; at < longest; at++ {
		all = append(all, split{fmt.Sprintf("at %d", at), func(b string, send func(string)) {
			if at < len(b) {
				send(b[:at])
				b = b[at:]
			}
			send(b)
		}})
	}
	return all
}

// TestKeepalivesOnEverySplit: in ten cases 13 requests, their 13 replies and
// every ping and pong are seen however TCP cuts the bytes.
func TestKeepalivesOnEverySplit(t *testing.T) {
	for _, cut := range splits(2*len(optionsRequest(1)) + 4) {
		var requests, replies uint32
		for _, tt := range keepaliveCases {
			s := script.New()
			c := s.TCP(event.Remote, here, "198.51.100.7:40000")
			if tt.midLife {
				c.MidLife()
			} else {
				c.Open()
			}
			sent, pings := play10(s, c, tt.writes, cut)
			_, r := play(t, s)
			l := r.Connections[0]
			requests += l.Messages.RequestsReceived
			replies += l.Messages.ResponsesSent
			if l.Messages.RequestsReceived != sent || l.Messages.ResponsesSent != sent || l.Messages.Malformed != 0 {
				t.Fatalf("%s, cut %s: %+v, want %d requests", tt.name, cut.name, l.Messages, sent)
			}
			k := l.Keepalives
			if k.PingsReceived != pings || k.PongsSent != pings || k.PingsSent != 0 || k.PongsReceived != 0 || k.Unanswered != 0 {
				t.Fatalf("%s, cut %s: %+v, want %d pings", tt.name, cut.name, k, pings)
			}
			if l.PendingTransactions != 0 || l.Incomplete {
				t.Fatalf("%s, cut %s: pending %d, incomplete %t", tt.name, cut.name, l.PendingTransactions, l.Incomplete)
			}
		}
		if requests != 13 || replies != 13 {
			t.Fatalf("cut %s: %d requests and %d replies, want 13 and 13", cut.name, requests, replies)
		}
	}
}

func optionsRequest(n int) string {
	return script.Msg{Method: "OPTIONS", CSeq: n, Branch: fmt.Sprint("k", n), Body: "not a\r\n\r\nSIP body"}.String()
}

// play10 writes the script of one case. The server answers every write: a pong
// for a ping, a 200 for a request.
func play10(s *script.Script, c *script.Conn, writes []write, cut split) (requests, pings uint32) {
	n := 0
	send := func(d event.Direction) func(string) {
		return func(b string) {
			c.Data(d, b)
			s.Wait(time.Millisecond)
		}
	}
	for _, w := range writes {
		s.Wait(w.after)
		var out, back strings.Builder
		for _, part := range w.what {
			switch part {
			case 'P':
				pings++
				out.WriteString("\r\n\r\n")
				back.WriteString("\r\n")
			case 'R', '1':
				n++
				requests++
			}
			request := optionsRequest(n)
			third := len(request) / 3
			switch part {
			case 'R':
				out.WriteString(request)
			case '1':
				out.WriteString(request[:third])
			case '2':
				out.WriteString(request[third : 2*third])
			case '3':
				out.WriteString(request[2*third:])
			}
			if part == 'R' || part == '3' {
				back.WriteString(script.Msg{Method: "OPTIONS", CSeq: n, Branch: fmt.Sprint("k", n)}.Reply(200).String())
			}
		}
		cut.cut(out.String(), send(event.In))
		if back.Len() > 0 {
			cut.cut(back.String(), send(event.Out))
		}
	}
	s.Wait(2 * time.Second) // a lone CRLF at the end is decided
	return requests, pings
}

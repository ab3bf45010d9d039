// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// kind is what a peer saw arrive, or end.
type kind string

const (
	opened  kind = "opened"
	sip     kind = "sip"
	ping    kind = "ping" // double CRLF
	pong    kind = "crlf" // lone CRLF
	stun    kind = "stun"
	other   kind = "other"
	ended   kind = "fin"
	aborted kind = "rst"
)

type item struct {
	at   time.Time
	flow *flow
	kind kind
	message
}

// peer is a scripted SIP element: it keeps all that arrives, in order and with
// the time, and answers requests as told.
type peer struct {
	*lab
	side
	answer func(*flow, message) message // "" for none
	pongs  bool                         // answer keep-alives, too

	mu    sync.Mutex
	items []item
}

// flow is one connection of a peer, or one remote address over UDP.
type flow struct {
	peer          *peer
	transport     string
	local, remote netip.AddrPort
	conn          net.Conn
	datagrams     *net.UDPConn
}

// newPeer plays on s; without an answer it says 200 to every request but ACK.
func (l *lab) newPeer(s side, answer func(*flow, message) message) *peer {
	if answer == nil {
		answer = func(_ *flow, m message) message { return accepted(m) }
	}
	return &peer{lab: l, side: s, answer: answer}
}

// accepted is the 200 of a registrar, for REGISTER, and of anyone else.
func accepted(m message, more ...string) message {
	if m.method() == "ACK" {
		return ""
	}
	if m.method() == "REGISTER" {
		more = append(more, "Contact: "+m.field("contact"))
		if m.field("expires") != "" {
			more = append(more, "Expires: "+m.field("expires"))
		}
	}
	return m.reply("200 OK", more...)
}

// listen takes TCP connections and datagrams on a port.
func (p *peer) listen(port uint16) {
	p.Helper()
	local := netip.AddrPortFrom(p.addr, port)
	p.in(p.T, func() {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		listener, err := config.Listen(context.Background(), "tcp", local.String())
		if err != nil {
			p.Fatal(err)
		}
		p.Cleanup(func() { listener.Close() })
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				p.stream(c)
			}
		}()
	})
	p.datagrams(port)
}

// dial connects to a program under test, over TCP.
func (p *peer) dial(remote netip.AddrPort) *flow {
	p.Helper()
	var f *flow
	p.until(patience, func() string {
		var err error
		p.in(p.T, func() {
			var c net.Conn
			if c, err = net.Dial("tcp", remote.String()); err == nil {
				f = p.stream(c)
			}
		})
		if err != nil {
			return err.Error()
		}
		return ""
	})
	return f
}

func (p *peer) stream(c net.Conn) *flow {
	f := &flow{p, "tcp", addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()), c, nil}
	p.Cleanup(func() { c.Close() })
	p.saw(f, opened, "")
	go func() {
		var buffer []byte
		chunk := make([]byte, 16<<10)
		for {
			n, err := c.Read(chunk)
			buffer = p.split(f, append(buffer, chunk[:n]...))
			switch {
			case errors.Is(err, syscall.ECONNRESET):
				p.saw(f, aborted, "")
			case err != nil:
				p.saw(f, ended, "")
			default:
				continue
			}
			return
		}
	}()
	return f
}

func addrOf(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// split takes what is whole off a stream. A lone CRLF is one that nothing
// follows in its segment.
func (p *peer) split(f *flow, b []byte) []byte {
	for len(b) > 0 {
		head := bytes.Index(b, []byte("\r\n\r\n")) + 4
		switch {
		case head == 4:
			p.saw(f, ping, "")
		case bytes.HasPrefix(b, []byte("\r\n")):
			p.saw(f, pong, "")
			head = 2
		case head < 4:
			return b
		default:
			length, _ := strconv.Atoi(message(b[:head]).field("content-length"))
			if head += length; head > len(b) {
				return b
			}
			p.handle(f, message(b[:head]))
		}
		b = b[head:]
	}
	return nil
}

func (p *peer) receive(c *net.UDPConn) {
	chunk := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFromUDPAddrPort(chunk)
		if err != nil {
			return
		}
		b := chunk[:n]
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		f := &flow{p, "udp", addrOf(c.LocalAddr()), from, nil, c}
		switch {
		case n >= 20 && binary.BigEndian.Uint32(b[4:]) == stunCookie:
			p.saw(f, stun, message(b))
		case string(b) == "\r\n\r\n":
			p.saw(f, ping, "")
		case string(b) == "\r\n":
			p.saw(f, pong, "")
		case bytes.Contains(b, []byte("SIP/2.0")):
			p.handle(f, message(b))
		default:
			p.saw(f, other, message(fmt.Sprintf("%x", b)))
		}
	}
}

func (p *peer) handle(f *flow, m message) {
	p.saw(f, sip, m)
	if m.method() != "" {
		if reply := p.answer(f, m); reply != "" {
			f.send(string(reply))
		}
	}
}

func (p *peer) saw(f *flow, k kind, m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.items = append(p.items, item{time.Now(), f, k, m})
	switch {
	case !p.pongs:
	case k == ping && f.conn != nil:
		f.send("\r\n")
	case k == stun && m[0] == 0: // a request
		f.send(bindingSuccess(m, f.remote))
	}
}

const stunCookie = 0x2112A442

// bindingSuccess answers a STUN Binding request (RFC 8489, section 14.2).
func bindingSuccess(request message, from netip.AddrPort) string {
	b := append([]byte{1, 1, 0, 12}, request[4:20]...)
	b = append(b, 0, 0x20, 0, 8, 0, 1)
	b = binary.BigEndian.AppendUint16(b, from.Port()^stunCookie>>16)
	address := from.Addr().As4()
	return string(binary.BigEndian.AppendUint32(b, binary.BigEndian.Uint32(address[:])^stunCookie))
}

// send writes bytes; that the program has closed meanwhile shows elsewhere.
func (f *flow) send(b string) {
	if f.conn != nil {
		f.conn.Write([]byte(b))
	} else {
		f.datagrams.WriteToUDPAddrPort([]byte(b), f.remote)
	}
}

// all returns what came so far and passes the filter.
func (p *peer) all(wanted func(item) bool) []item {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []item
	for _, i := range p.items {
		if wanted(i) {
			found = append(found, i)
		}
	}
	return found
}

// await waits until n items that pass the filter have come in all, and returns
// the nth.
func (p *peer) await(wait time.Duration, n int, what string, wanted func(item) bool) item {
	p.Helper()
	var found []item
	p.until(wait, func() string {
		if found = p.all(wanted); len(found) < n {
			return fmt.Sprintf("%d %s, want %d; came:%s", len(found), what, n, p.trace())
		}
		return ""
	})
	return found[n-1]
}

// trace lists what came, a line each.
func (p *peer) trace() string {
	var b bytes.Buffer
	first := time.Time{}
	for _, i := range p.all(func(item) bool { return true }) {
		if first.IsZero() {
			first = i.at
		}
		line, _, _ := bytes.Cut([]byte(i.message), []byte("\r\n"))
		fmt.Fprintf(&b, "\n%9.3f %s %s %s %q", i.at.Sub(first).Seconds(), i.flow.transport, i.flow.remote, i.kind, line)
	}
	return b.String()
}

func is(kinds ...kind) func(item) bool {
	return func(i item) bool { return slices.Contains(kinds, i.kind) }
}

func of(method string) func(item) bool {
	return func(i item) bool { return i.kind == sip && i.method() == method }
}

// on narrows a filter to one connection.
func (f *flow) on(wanted func(item) bool) func(item) bool {
	return func(i item) bool {
		return (i.flow == f || i.flow.datagrams != nil && i.flow.datagrams == f.datagrams && i.flow.remote == f.remote) && wanted(i)
	}
}

// answered is the final response to a request.
func answered(m message) func(item) bool {
	return func(i item) bool {
		return i.kind == sip && i.status() >= "200" && i.field("cseq") == m.field("cseq") && i.field("call-id") == m.field("call-id")
	}
}

// gaps are the times between items, in seconds, in order.
func gaps(items []item) (seconds []float64) {
	for i := 1; i < len(items); i++ {
		seconds = append(seconds, items[i].at.Sub(items[i-1].at).Seconds())
	}
	return seconds
}

func figures(seconds []float64) string {
	if len(seconds) == 0 {
		return "no interval"
	}
	s := slices.Sorted(slices.Values(seconds))
	return fmt.Sprintf("min %.2f, median %.2f, max %.2f s of %d", s[0], s[len(s)/2], s[len(s)-1], len(s))
}

// within says whether all are.
func within(seconds []float64, low, high float64) bool {
	return len(seconds) > 0 && slices.Min(seconds) >= low && slices.Max(seconds) <= high
}

// none wants no more than n items for a while: what must not come cannot be
// waited for otherwise.
func (p *peer) none(wait time.Duration, n int, wanted func(item) bool) {
	p.Helper()
	time.Sleep(wait)
	if found := p.all(wanted); len(found) > n {
		p.Fatalf("%d of what should have come %d times:%s", len(found), n, p.trace())
	}
}

// datagrams is a bound socket.
func (p *peer) datagrams(port uint16) *net.UDPConn {
	p.Helper()
	var c *net.UDPConn
	p.in(p.T, func() {
		var err error
		if c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.addr, port))); err != nil {
			p.Fatal(err)
		}
	})
	p.Cleanup(func() { c.Close() })
	go p.receive(c)
	return c
}

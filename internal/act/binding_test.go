// SPDX-License-Identifier: Apache-2.0

package act

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/event"
)

// flow is a socket of this process on a SIP port, and a peer.
type flow struct {
	p            *probed
	socket, peer *net.UDPConn
	target       Target
}

const option = "OPTIONS sip:a@example.com SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"

// newFlow binds to local, and makes the flow known by a request to the peer, which
// is at the address to.
func newFlow(t *testing.T, network, local, to string) *flow {
	t.Helper()
	peer, err := net.ListenPacket("udp", net.JoinHostPort(to, "0"))
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.ListenPacket(network, net.JoinHostPort(local, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close(); socket.Close() })
	f := &flow{socket: socket.(*net.UDPConn), peer: peer.(*net.UDPConn)}
	port := netip.MustParseAddrPort(socket.LocalAddr().String()).Port()
	f.p = newProbed(t, port)
	if _, err := f.socket.WriteTo([]byte(option), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	b, from := receive(t, f.peer)
	if string(b) != option {
		t.Fatalf("the peer got %q", b)
	}
	f.target = Target{PID: uint32(os.Getpid()), Local: from, Remote: addrPort(peer.LocalAddr())}
	if f.target.Socket, err = cookieOf(f.socket); err != nil {
		t.Fatal(err)
	}
	return f
}

func addrPort(a net.Addr) netip.AddrPort {
	p := netip.MustParseAddrPort(a.String())
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

func cookieOf(c *net.UDPConn) (cookie uint64, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	raw.Control(func(fd uintptr) {
		cookie, err = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE)
	})
	return cookie, err
}

func receive(t *testing.T, c *net.UDPConn) ([]byte, netip.AddrPort) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2000)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// message is a STUN message (RFC 8489 section 5).
func message(kind uint16, id [12]byte, attributes []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attributes)))
	b = binary.BigEndian.AppendUint32(b, 0x2112A442)
	return append(append(b, id[:]...), attributes...)
}

func request() (id [12]byte, b []byte) {
	rand.Read(id[:])
	return id, message(0x0001, id, nil)
}

// answer is a success, with SOFTWARE.
func answer(id [12]byte) []byte {
	return message(0x0101, id, []byte{0x80, 0x22, 0, 4, 't', 'e', 's', 't'})
}

// ask sends a request of viaduct's and has the peer get it.
func (f *flow) ask(t *testing.T, swallow bool) (id [12]byte) {
	t.Helper()
	id, b := request()
	if out := f.p.Binding(f.target, b, swallow); out.Result != Done {
		t.Fatal(out)
	}
	got, from := receive(t, f.peer)
	if string(got) != string(b) || from != f.target.Local {
		t.Fatalf("the peer got %q from %s, want %q from %s", got, from, b, f.target.Local)
	}
	return id
}

func (f *flow) send(t *testing.T, from *net.UDPConn, b []byte) {
	t.Helper()
	if _, err := from.WriteToUDPAddrPort(b, f.target.Local); err != nil {
		t.Fatal(err)
	}
}

// gets wants the program to get this next.
func (f *flow) gets(t *testing.T, want []byte) {
	t.Helper()
	if got, _ := receive(t, f.socket); string(got) != string(want) {
		t.Errorf("the program got %q, want %q", got, want)
	}
}

// TestBinding: from wherever a socket is bound, with the source address of the
// flow; the answer is kept from the program if that is wanted, and nothing else is.
func TestBinding(t *testing.T) {
	for name, at := range map[string]struct{ network, local, peer string }{
		"wildcard":              {"udp4", "0.0.0.0", "127.0.0.1"},
		"bound":                 {"udp4", "127.0.0.1", "127.0.0.1"},
		"IPv6":                  {"udp6", "::", "::1"},
		"IPv4 on a dual socket": {"udp", "::", "127.0.0.1"},
		"IPv6 on a dual socket": {"udp", "::", "::1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlow(t, at.network, at.local, at.peer)
			swallowed := f.swallowed(t)
			before := len(option)

			m := f.ask(t, true)
			hidden := answer(m)
			f.send(t, f.peer, hidden)
			f.send(t, f.peer, hidden)  // once more, as for a repeated request
			other, asking := request() // somebody else's transaction, as ICE has them
			f.send(t, f.peer, answer(other))
			f.gets(t, answer(other))

			stranger, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.target.Remote.Addr(), 0)))
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			f.send(t, stranger, hidden)
			f.gets(t, hidden)
			long := append(append([]byte(nil), hidden...), 0)
			f.send(t, f.peer, long) // no STUN message
			f.gets(t, long)
			f.send(t, f.peer, asking)
			f.gets(t, asking)

			again := f.ask(t, false)
			f.send(t, f.peer, answer(again))
			f.gets(t, answer(again))

			if n := f.swallowed(t) - swallowed; n != 2 {
				t.Errorf("%d datagrams were swallowed, want 2", n)
			}
			_, own := f.p.data(f.target.Socket, event.Out, before+2*len(asking))
			if want := mask(option, "-") + mask(string(asking)+string(asking), "o"); own != want {
				t.Errorf("sent: own is %q, want %q", own, want)
			}
			_, own = f.p.data(f.target.Socket, event.In, 5*len(hidden)+len(long)+len(asking))
			h, o := mask(string(hidden), "o"), mask(string(hidden), "-")
			if want := h + h + o + o + mask(string(long), "-") + mask(string(asking), "-") + h; own != want {
				t.Errorf("received: own is %q, want %q", own, want)
			}
		})
	}
}

func (f *flow) swallowed(t *testing.T) uint64 {
	t.Helper()
	c, err := f.p.probes.Counters()
	if err != nil {
		t.Fatal(err)
	}
	return c.Swallowed
}

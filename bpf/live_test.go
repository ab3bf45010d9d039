// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

const patience = 20 * time.Second

// recorder keeps copies of the events of one local address. Other tests of the
// host are at work at the same time.
type recorder struct {
	*Probes
	t       *testing.T
	address netip.Addr
	stop    func()

	mu     sync.Mutex
	events []event.Event
}

// record watches address until the test ends.
func record(t *testing.T, o Options, address string) *recorder {
	t.Helper()
	testutil.RequireRoot(t)
	p, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Probes: p, t: t, address: netip.MustParseAddr(address)}
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := p.Read(10*time.Millisecond, r.keep); err != nil {
				t.Error(err)
				return
			}
		}
	})
	r.stop = sync.OnceFunc(func() {
		close(done)
		reading.Wait()
	})
	t.Cleanup(func() {
		r.stop()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *recorder) keep(e *event.Event) {
	if e.Local.Addr() != r.address && e.Remote.Addr() != r.address {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	copied := *e
	copied.Payload = bytes.Clone(e.Payload)
	r.events = append(r.events, copied)
}

// until waits until the events recorded so far satisfy a condition, which says
// what is missing.
func (r *recorder) until(missing func([]event.Event) string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		r.mu.Lock()
		what := missing(r.events)
		r.mu.Unlock()
		if what == "" {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("after %v: %s", patience, what)
		}
	}
}

// streams puts the payload of each socket and direction together by sequence
// number, from the first byte that its Opened names.
func streams(events []event.Event) map[string][]byte {
	base := make(map[string]uint32)
	all := make(map[string][]byte)
	for _, e := range events {
		in, out := fmt.Sprint(e.Local.Port(), " in"), fmt.Sprint(e.Local.Port(), " out")
		switch {
		case e.Kind == event.Opened && !e.MidLife:
			base[in], base[out] = e.NextIn, e.NextOut
		case e.Kind == event.Data:
			key := in
			if e.Direction == event.Out {
				key = out
			}
			at := int(e.Seq - base[key])
			if grow := at + len(e.Payload) - len(all[key]); grow > 0 {
				all[key] = append(all[key], make([]byte, grow)...)
			}
			copy(all[key][at:], e.Payload)
		}
	}
	return all
}

// connect opens a TCP connection over loopback, from the test's address.
func connect(t *testing.T, address string, port int) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.ParseIP(address), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.DialTCP("tcp", &net.TCPAddr{IP: net.ParseIP(address)}, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func send(t *testing.T, to io.Writer, from io.Reader, b []byte) {
	t.Helper()
	failed := make(chan error, 1)
	go func() {
		_, err := to.Write(b)
		failed <- err
	}()
	if _, err := io.ReadFull(from, make([]byte, len(b))); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

// A message of half a megabyte leaves in super-segments of up to 64 KiB; all of
// it arrives, in both sockets' records, whatever the pieces.
func TestSuperSegments(t *testing.T) {
	const address = "127.66.1.1"
	r := record(t, Options{}, address)
	client, server := connect(t, address, 5060)
	head := "MESSAGE sip:bob@example.com SIP/2.0\r\nContent-Length: 500000\r\n\r\n"
	message := []byte(head + strings.Repeat("0123456789", 50_000))
	send(t, client, server, message)
	port := client.LocalAddr().(*net.TCPAddr).Port
	r.until(func(events []event.Event) string {
		got := streams(events)
		for _, key := range []string{fmt.Sprint(port, " out"), "5060 in"} {
			if !bytes.Equal(got[key], message) {
				return fmt.Sprintf("%s: %d of %d bytes", key, len(got[key]), len(message))
			}
		}
		return ""
	})
	r.stop()
	largest := 0
	for _, e := range r.events {
		largest = max(largest, e.Length)
	}
	// The kernel does build segments larger than a piece, or this shows nothing.
	if largest < 16_000 {
		t.Errorf("the largest piece has %d bytes: no super-segment was sent", largest)
	}
	if c, err := r.Counters(); err != nil || c.TruncatedBytes != 0 || c.Unreadable != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// The beginning of a stream decides, in whatever pieces it comes; what came
// before the decision is not lost.
func TestRecognisedByContentOnEverySplit(t *testing.T) {
	const address = "127.66.1.2"
	r := record(t, Options{}, address)
	const message = "\r\n\r\nOPTIONS sip:bob@example.com SIP/2.0\r\n\r\n"
	for cut := 1; cut < 20; cut++ {
		r.mu.Lock()
		r.events = nil
		r.mu.Unlock()
		client, server := connect(t, address, 0)
		if err := client.SetNoDelay(true); err != nil {
			t.Fatal(err)
		}
		send(t, client, server, []byte(message[:cut]))
		send(t, client, server, []byte(message[cut:]))
		key := fmt.Sprint(server.LocalAddr().(*net.TCPAddr).Port, " in")
		r.until(func(events []event.Event) string {
			if got := string(streams(events)[key]); got != message {
				return fmt.Sprintf("cut at %d: %q", cut, got)
			}
			return ""
		})
	}
}

// A connection that carries something else on a port of its own leaves no trace,
// also where its first bytes come one by one.
func TestOtherTrafficIsLeftAlone(t *testing.T) {
	const address = "127.66.1.3"
	r := record(t, Options{}, address)
	for _, other := range []string{
		"GET / HTTP/1.1\r\nHost: sip.example.com\r\n\r\n", "\x16\x03\x01\x00\x05hello", "\x00\x01\x02\x03binary", strings.Repeat("A", 200),
	} {
		client, server := connect(t, address, 0)
		send(t, client, server, []byte(other))
		send(t, server, client, []byte(other))
		send(t, client, server, []byte("INVITE sip:too@late.example.com SIP/2.0\r\n\r\n"))
		client.Close()
	}
	// A marker behind all that, in the same ring: when it is there, they would be.
	marker, server := connect(t, address, 5060)
	send(t, marker, server, []byte("OPTIONS sip:marker@example.com SIP/2.0\r\n\r\n"))
	r.until(func(events []event.Event) string {
		for _, e := range events {
			if bytes.Contains(e.Payload, []byte("sip:marker")) && e.Direction == event.In {
				return ""
			}
		}
		return "no marker"
	})
	r.stop()
	for _, e := range r.events {
		if e.Local.Port() != 5060 && e.Remote.Port() != 5060 {
			t.Errorf("event of another connection: %+v", e)
		}
	}
}

// Datagrams: one record each, also where the kernel was given several at once,
// and the largest is cut, which is said and counted.
func TestDatagrams(t *testing.T) {
	const address = "127.66.1.4"
	r := record(t, Options{}, address)
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address), Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	large := []byte("MESSAGE sip:bob@example.com SIP/2.0\r\n\r\n" + strings.Repeat("x", 60_000))
	if _, err := client.Write(large); err != nil {
		t.Fatal(err)
	}
	r.until(func(events []event.Event) string {
		for _, e := range events {
			if e.Kind == event.Data && e.Direction == event.In && e.Length == len(large) {
				if n := len(e.Payload); n < 16_000 || !bytes.Equal(e.Payload, large[:n]) {
					return fmt.Sprintf("%d bytes of it captured, or others", n)
				}
				return ""
			}
		}
		return "no large datagram"
	})
	if c, err := r.Counters(); err != nil || c.TruncatedBytes == 0 {
		t.Errorf("%+v, %v", c, err)
	}

	segmentation(t, client, 500)
	batch := bytes.Repeat(append([]byte("OPTIONS sip:"), bytes.Repeat([]byte("y"), 488)...), 5)
	if _, err := client.Write(batch); err != nil {
		t.Fatal(err)
	}
	r.until(func(events []event.Event) string {
		var out, in int
		for _, e := range events {
			if e.Kind != event.Data || len(e.Payload) != 500 || !bytes.HasPrefix(e.Payload, []byte("OPTIONS sip:")) {
				continue
			}
			if e.Direction == event.Out {
				out++
			} else {
				in++
			}
		}
		if out != 5 || in != 5 {
			return fmt.Sprintf("of 5 datagrams sent at once %d were seen leaving, %d arriving", out, in)
		}
		return ""
	})
}

// segmentation has the kernel cut what is written into datagrams (UDP_SEGMENT).
func segmentation(t *testing.T, c *net.UDPConn, size int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size)
	}); err != nil || set != nil {
		t.Fatal(err, set)
	}
}

// The programs leave nothing behind: no link, and packets flow as before.
func TestCloseDetaches(t *testing.T) {
	const address = "127.66.1.5"
	r := record(t, Options{}, address)
	hooks, err := r.Hooks()
	if err != nil || len(hooks) == 0 {
		t.Fatal(hooks, err)
	}
	r.stop()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(0, func(*event.Event) {}); err == nil {
		t.Error("a closed ring can be read")
	}
	client, server := connect(t, address, 5060)
	send(t, client, server, []byte("OPTIONS sip:bob@example.com SIP/2.0\r\n\r\n"))
	if err := r.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

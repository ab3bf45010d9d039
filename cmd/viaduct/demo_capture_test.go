// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// TestDemoCaptured: what the kernel told of the demo's connections, and what
// the packets tell that were captured meanwhile, is the same.
func TestDemoCaptured(t *testing.T) {
	testutil.RequireRoot(t)
	lo := sniff(t, "lo")
	live, _ := runDemo(t.Context(), t, "--both-ends")
	var file bytes.Buffer
	lo.write(t, &file, event.At(live.Ended))
	core := agent.New(agent.Config{Source: "pcap"})
	read, err := capture.Read(context.Background(), &file, track.Options{Local: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, core)
	if err != nil || read.Cut != nil {
		t.Fatal(err, read)
	}
	captured := make(map[[2]string]*report.Connection)
	r := captureReport(core, read, true)
	for i := range r.Connections {
		c := &r.Connections[i]
		captured[[2]string{c.Local, c.Remote}] = c
	}
	for i := range live.Connections {
		want := &live.Connections[i]
		got := captured[[2]string{want.Local, want.Remote}]
		if got == nil {
			t.Errorf("%s to %s is not in the capture", want.Local, want.Remote)
			continue
		}
		if g, w := storyOf(got), storyOf(want); !reflect.DeepEqual(g, w) {
			t.Errorf("%s to %s:\ncaptured %+v\nlive     %+v", want.Local, want.Remote, g, w)
		}
		if g, w := broken(r, got), broken(live, want); !slices.Equal(g, w) {
			t.Errorf("%s to %s: captured %v, live %v", want.Local, want.Remote, g, w)
		}
		if got.BytesSent != want.BytesSent || got.BytesReceived != want.BytesReceived {
			t.Errorf("%s to %s: captured %d and %d bytes, live %d and %d", want.Local, want.Remote,
				got.BytesSent, got.BytesReceived, want.BytesSent, want.BytesReceived)
		}
	}
}

// ofProcesses are the rules that judge what one process does: a capture does
// not show which.
var ofProcesses = []string{"TP-06"}

// broken are the rules that were broken on a connection, and by whom, as far as
// a capture can tell.
func broken(r *report.Report, c *report.Connection) []string {
	var all []string
	for _, i := range c.Findings {
		if f := &r.Findings[i]; !slices.Contains(ofProcesses, f.Rule) {
			all = append(all, f.Rule+" "+f.Party)
		}
	}
	slices.Sort(all)
	return all
}

// sniffer keeps the packets that arrive at an interface.
type sniffer struct {
	socket int
	done   sync.WaitGroup
	stop   context.CancelFunc
	frames []frame
	err    error
}

type frame struct {
	at    event.Time
	bytes []byte
}

// sniff begins; packet(7) tells about the socket.
func sniff(t *testing.T, name string) *sniffer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &sniffer{stop: cancel}
	const everything = unix.ETH_P_ALL << 8 // in network byte order, seen from a little-endian host
	var err error
	if s.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		s.done.Wait()
		unix.Close(s.socket)
	})
	device, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		unix.SetsockoptInt(s.socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptInt(s.socket, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(s.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		unix.Bind(s.socket, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: device.Index}),
	); err != nil {
		t.Fatal(err)
	}
	s.done.Go(func() { s.err = s.read(ctx) })
	return s
}

// read keeps what comes in until ctx is done and nothing waits. On loopback
// each packet passes twice, as it leaves and as it arrives.
func (s *sniffer) read(ctx context.Context) error {
	packet, control := make([]byte, 1<<17), make([]byte, 256)
	for {
		n, oob, _, from, err := unix.Recvmsg(s.socket, packet, control, 0)
		switch {
		case errors.Is(err, unix.EAGAIN) && ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		at, err := stamp(control[:oob])
		if err != nil {
			return err
		}
		s.frames = append(s.frames, frame{at, bytes.Clone(packet[:n])})
	}
}

// stamp is when the kernel had the packet.
func stamp(control []byte) (event.Time, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return event.At(time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))), nil
		}
	}
	return 0, errors.New("a packet without a time")
}

// write ends the sniffing and writes what came until then.
func (s *sniffer) write(t *testing.T, to *bytes.Buffer, until event.Time) {
	t.Helper()
	s.stop()
	s.done.Wait()
	if s.err != nil {
		t.Fatal(s.err)
	}
	w := capturetest.New(to, capturetest.Ethernet)
	for _, f := range s.frames {
		if f.at <= until {
			w.Frame(f.at, f.bytes)
		}
	}
	w.Frame(until, make([]byte, 60)) // no packet, but time has passed
}

// SPDX-License-Identifier: Apache-2.0

package plaintext_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/bpf/plaintext"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/follow"
	"github.com/viaduct-project/viaduct/internal/testutil"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
	"github.com/viaduct-project/viaduct/internal/tlsbind"
)

const (
	address = "127.66.2.9"
	patient = 5 * time.Second
)

var here = netip.MustParseAddr(address)

// stream is the plaintext of one direction of one socket.
type stream struct {
	bytes []byte
	next  uint32
	wrong []string // holes, and what the source says it lost
}

type flow struct {
	socket    uint64
	direction event.Direction
}

// tap puts together what the probes and the packet programs see.
type tap struct {
	probes  *bpf.Probes
	library *plaintext.Probes
	follows *follow.Follower

	mu      sync.Mutex
	binder  *tlsbind.Binder
	streams map[flow]*stream
	remote  map[uint64]netip.AddrPort
	alerts  map[flow]int // closure alerts
	movers  atomic.Int32 // functions that were probed
}

// counting counts what moves records.
type counting struct {
	*plaintext.Probes
	movers *atomic.Int32
}

func (c counting) FollowMover(pid int, file string, offset uint64, shape plaintext.Shape) error {
	err := c.Probes.FollowMover(pid, file, offset, shape)
	if err == nil {
		c.movers.Add(1)
	}
	return err
}

func startTap(t *testing.T, ports ...uint16) *tap {
	t.Helper()
	testutil.RequireRoot(t)
	probes, err := bpf.Load(bpf.Options{Ports: ports, TLSPorts: ports})
	if err != nil {
		t.Fatal(err)
	}
	library, err := plaintext.Load(probes)
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{probes: probes, library: library, streams: make(map[flow]*stream), remote: make(map[uint64]netip.AddrPort), alerts: make(map[flow]int)}
	p.binder = tlsbind.New(p.data)
	p.follows = follow.New(counting{library, &p.movers}, follow.Told{
		Followed: func(pid uint32) { p.locked(func() { p.binder.Followed(pid, probes.Now()) }) }, Unfollowed: func(uint32) {},
	})
	handler := plaintext.Handler{Call: p.binder.Call, Gone: p.binder.Gone, Forked: p.follows.Forked, Mover: p.follows.Mover}
	probes.Others(func(raw []byte) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return library.Decode(raw, &handler)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			_, err := probes.Read(10*time.Millisecond, p.saw)
			switch {
			case errors.Is(err, os.ErrClosed):
				return
			case err != nil:
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		p.follows.Close()
		probes.Close()
		<-done
		if err := library.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *tap) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

func (p *tap) saw(e *event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Transport != event.TLS || e.Local.Addr() != here && e.Remote.Addr() != here {
		return // somebody else's connection
	}
	switch e.Kind {
	case event.Record:
		p.binder.Record(e)
	case event.Opened:
		p.binder.Opened(e)
	}
	if e.Owner.PID != 0 {
		p.follows.Want(e.Owner.PID)
	}
}

// data takes plaintext; p.mu is held.
func (p *tap) data(e *event.Event) {
	f := flow{e.Socket, e.Direction}
	if e.Kind == event.ClosureAlert {
		p.alerts[f]++
		return
	}
	s := p.streams[f]
	if s == nil {
		s = &stream{next: e.Seq}
		p.streams[f] = s
	}
	if e.Lost || e.Seq != s.next || e.Length != len(e.Payload) {
		s.wrong = append(s.wrong, fmt.Sprintf("%d bytes at %d, expected at %d, lost %v", e.Length, e.Seq, s.next, e.Lost))
	}
	s.next = e.Seq + uint32(e.Length)
	s.bytes = append(s.bytes, e.Payload...)
	p.remote[e.Socket] = e.Remote
}

// until waits for something to be true.
func until(t *testing.T, check func() (wrong string)) {
	t.Helper()
	end := time.Now().Add(patient)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(wrong)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

func (p *tap) followed(t *testing.T, pid int) {
	t.Helper()
	until(t, func() string {
		if !p.follows.Followed(uint32(pid)) {
			return fmt.Sprintf("process %d is not followed: %q", pid, p.follows.Why(uint32(pid)))
		}
		return ""
	})
}

// messages cuts a stream into SIP messages.
func messages(b []byte) (all []string, rest []byte) {
	for {
		head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
		if !ok {
			return all, b
		}
		_, length, _ := bytes.Cut(head, []byte("Content-Length: "))
		n, err := strconv.Atoi(strings.TrimSpace(string(length)))
		if err != nil || n > len(body) {
			return all, b
		}
		all, b = append(all, string(head)), body[n:]
	}
}

func header(message, name string) string {
	_, after, _ := strings.Cut(message, "\r\n"+name+": ")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

// exact says what is wrong with the streams of a load: each carries the
// messages of one connection, all of them, once and in order.
func (p *tap) exact(connections, each int) (wrong string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := make(map[string][]flow)
	for f, s := range p.streams {
		all, rest := messages(s.bytes)
		// Connection 9999 is there to be resumed.
		if len(all) == 0 || strings.HasPrefix(header(all[0], "Call-ID"), "c9999-") {
			continue
		}
		ids := make([]string, len(all))
		for i := range all {
			ids[i] = header(all[i], "CSeq")
		}
		id := header(all[0], "Call-ID")
		of[id] = append(of[id], f)
		for i, m := range all {
			if header(m, "Call-ID") != id || ids[i] != fmt.Sprintf("%d OPTIONS", i+1) {
				return fmt.Sprintf("%v: message %d is %s of %s, others are of %s", f, i, ids[i], header(m, "Call-ID"), id)
			}
		}
		if len(all) != each || len(rest) > 0 || s.wrong != nil {
			return fmt.Sprintf("%v: %d messages of %d, %d bytes more, wrong: %q", f, len(all), each, len(rest), s.wrong)
		}
	}
	if len(of) != connections {
		return fmt.Sprintf("%d connections of %d: %v", len(of), connections, of)
	}
	for id, flows := range of {
		// Requests and responses, each leaving one socket and arriving at another.
		sockets := make(map[uint64]int)
		for _, f := range flows {
			sockets[f.socket]++
		}
		if len(flows) != 4 || len(sockets) != 2 {
			return fmt.Sprintf("%s: streams %v", id, flows)
		}
	}
	return ""
}

// serve starts a server, and waits until all its processes are followed.
func serve(t *testing.T, p *tap, port, workers int, switches ...string) {
	t.Helper()
	certificate, key := tlspeer.Certificate(t)
	args := append([]string{"server", address, strconv.Itoa(port), certificate, key, fmt.Sprintf("workers=%d", workers)}, switches...)
	serving(t, p, exec.Command(tlspeer.Build(t), args...), port, workers)
}

// serving is serve with a program of which there are so many processes.
func serving(t *testing.T, p *tap, program *exec.Cmd, port, workers int) {
	t.Helper()
	server := testutil.Start(t, "", program)
	pid := server.Process.Pid
	until(t, func() string { // a connection that ends before it is accepted shows nobody
		c, err := net.Dial("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			return err.Error()
		}
		c.Close()
		if !p.follows.Followed(uint32(pid)) {
			return fmt.Sprintf("process %d is not followed: %q", pid, p.follows.Why(uint32(pid)))
		}
		return ""
	})
	var children []string
	until(t, func() string { // it listens before it forks
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			return err.Error()
		}
		if children = strings.Fields(string(b)); len(children) != workers-1 {
			return fmt.Sprintf("%d processes beside the first, want %d", len(children), workers-1)
		}
		return ""
	})
	for _, child := range children {
		pid, err := strconv.Atoi(child)
		if err != nil {
			t.Fatal(err)
		}
		p.followed(t, pid)
	}
}

// converse has a client say what it has to say from when it is followed: it waits
// with a first connection until its input ends. What has to happen before that
// may write to it.
func converse(t *testing.T, p *tap, cmd *exec.Cmd, before ...func(in io.Writer)) {
	t.Helper()
	begin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	client := testutil.Start(t, "", cmd)
	p.followed(t, client.Process.Pid)
	for _, do := range before {
		do(begin)
	}
	begin.Close()
	<-client.Done
	if client.Err != nil {
		t.Fatal(client.Err)
	}
}

// Every message of both directions is seen exactly once and on the right
// connection, at both ends, however the library is used.
func TestPlaintext(t *testing.T) {
	const socketBIO, memoryBIO = 5061, 5062
	p := startTap(t, socketBIO, memoryBIO)
	serve(t, p, socketBIO, 4)
	serve(t, p, memoryBIO, 4, "memory=1", "ahead=1", "ex=1", "partial=1", "read=300")
	const connections, each = 50, 4
	for _, tt := range []struct {
		name        string
		switches    string
		connections int // 0: as many as the test says
	}{
		{"TLS 1.3", "version=3", 0},
		{"TLS 1.2", "version=2", 0},
		{"memory", "memory=1", 0},
		{"large records, partly written", "size=50000 partial=1 ex=1", 8},
		{"a full socket buffer", "size=30000 trickle=1", 8},
		{"encrypted bytes by the handful", "memory=1 trickle=1 ahead=1 size=9000", 8},
		{"read by a few bytes", "read=7", 0},
		{"key update", "version=3 rekey=3", 0},
		{"renegotiation", "version=2 rekey=3", 0},
		{"resumption, TLS 1.3", "version=3 resume=1", 0},
		{"resumption, TLS 1.2", "version=2 resume=1", 0},
	} {
		for _, port := range []int{socketBIO, memoryBIO} {
			t.Run(fmt.Sprintf("%s, port %d", tt.name, port), func(t *testing.T) {
				connections := cmp.Or(tt.connections, connections)
				args := []string{"client", address, strconv.Itoa(port), "begin=1", fmt.Sprintf("connections=%d", connections), fmt.Sprintf("messages=%d", each), "workers=8"}
				converse(t, p, exec.Command(tlspeer.Build(t), slices.Concat(args, strings.Fields(tt.switches))...))
				defer p.locked(func() { clear(p.streams) })
				until(t, func() string { return p.exact(connections, each) })
			})
		}
	}
	p.locked(func() {
		if c := p.binder.Counters(); c.Conflicting != 0 || c.UnboundCalls != 0 || c.Late != 0 || c.LostBytes != 0 {
			t.Errorf("%+v", c)
		}
	})
}

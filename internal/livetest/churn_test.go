// SPDX-License-Identifier: Apache-2.0

//go:build churn

package livetest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

var (
	churnFor = flag.Duration("churn", 10*time.Minute, "how long TestChurn plays")
	churnAt  = flag.Int("connections", 2000, "how many connections TestChurn has at a time")
)

// churnKinds are rows, told apart by port; acts is the end they are about: the
// client's is 0.
var churnKinds = []struct {
	acts   int
	offers bool
	row    policy.Peer
}{
	{0, false, idles("idle, client", policy.Enforce, 33*time.Second, policy.Gentle)},
	{1, false, idles("idle, server", policy.Enforce, 35*time.Second, policy.Gentle)},
	{1, false, idles("idle, hard", policy.Enforce, 34*time.Second, policy.Hard)},
	{1, true, policy.Peer{Name: "surplus", Enforce: policy.Enforce, Persistent: policy.Persistent{MaxConnections: 3}}},
	{0, true, policy.Peer{Name: "surplus, hard", Enforce: policy.Enforce, Persistent: policy.Persistent{MaxConnections: 3}, Ephemeral: policy.Ephemeral{Close: policy.Hard}}},
	{1, true, policy.Peer{Name: "unwanted", Enforce: policy.Enforce}},
	{1, false, idles("dry-run", policy.DryRun, 33*time.Second, policy.Gentle)},
	{1, false, idles("observed", policy.Observe, 33*time.Second, policy.Gentle)},
}

func idles(name string, m policy.Mode, d time.Duration, how policy.Closing) policy.Peer {
	return policy.Peer{Name: name, Enforce: m, Persistent: policy.Persistent{MaxConnections: -1}, Ephemeral: policy.Ephemeral{IdleTimeout: d, Close: how}}
}

const (
	churnPort  = 5070 // of the first kind
	churnAddrs = 16   // that clients have
)

// churn is the world of the test.
type churn struct {
	t    *testing.T
	l    *link
	book *book
	rows *policy.Policy
	met  sync.Map // the client's address: a channel with the entry
	dial chan dialing
	ctx  context.Context

	connections, requests atomic.Int64
}

type dialing struct {
	local, remote netip.AddrPort
	done          chan net.Conn // nil if it failed
}

// TestChurn plays thousands of connections with requests, transactions that
// wait, silence and closes from both sides, under a policy that closes what it
// can. What the applications see decides whether any close was wrong.
func TestChurn(t *testing.T) {
	l := newLink(t)
	c := &churn{t: t, l: l, book: newBook(), rows: churnPolicy(l), dial: make(chan dialing)}
	for i := range churnAddrs {
		testutil.IP(t, "", "-n", l.a.name, "addr", "add", fmt.Sprintf("%s/64", c.client(i)), "dev", "sip0", "nodad")
	}
	var reasons sync.Map
	w := startWatch(t, l, live.Options{
		Probes: bpf.Options{Ports: portsOf(c.rows)},
		Core:   agent.Config{Policy: c.rows, ClosesPerMinute: 1_000_000, MaxFindings: 1_000_000},
		Acted: func(a report.Action) {
			c.book.toldOf(a)
			if a.Outcome != "done" {
				n, _ := reasons.LoadOrStore(shortened(a.Reason), new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			}
		},
	})
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	for i := range churnKinds {
		go c.serve(l.b.listen(t, netip.AddrPortFrom(netip.IPv6Unspecified(), churnPort+uint16(i))))
	}
	for range 4 {
		go c.dialer()
	}
	var players sync.WaitGroup
	for range *churnAt {
		players.Go(func() {
			for c.pause(rand.N(20 * time.Second)); c.ctx.Err() == nil; {
				c.play()
			}
		})
	}
	for end := time.Now().Add(*churnFor); time.Now().Before(end) && !c.book.failed(); {
		time.Sleep(time.Second)
	}
	w.stop()
	if err := w.Close(); err != nil { // then all that was done has been told
		t.Fatal(err)
	}
	untilWithin(t, patience, c.book.settled)
	lost, done := w.Report().Lost, c.book.closes
	cancel()
	players.Wait()
	c.book.audit()
	for _, wrong := range c.book.wrong {
		t.Error(wrong)
	}
	if lost.RingFull+lost.MapFull > 0 {
		t.Error("viaduct has lost records: what it did not see, it cannot judge")
	}
	if least := int(churnFor.Minutes() * float64(*churnAt) / 10); done < least {
		t.Errorf("%d closes, want at least %d: the test has hardly tested anything", done, least)
	}
	t.Logf("%v, %d connections of %d at a time, %d requests, %d closed by viaduct, %d times a message crossed the close, lost: %s",
		*churnFor, c.connections.Load(), *churnAt, c.requests.Load(), done, c.book.crossed, text(lost))
	reasons.Range(func(why, n any) bool {
		t.Logf("not closed, %d times: %s", n.(*atomic.Int64).Load(), why)
		return true
	})
}

func churnPolicy(l *link) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}}
	net6, _ := l.a.v6.Prefix(64)
	net4, _ := l.a.v4.Prefix(29)
	for i, kind := range churnKinds {
		row := kind.row
		row.Match = policy.Match{
			CIDRs: []netip.Prefix{net4, net6}, Initiator: []string{"local", "remote"}[kind.acts], Ports: []uint16{churnPort + uint16(i)},
		}
		p.Peers = append(p.Peers, row)
	}
	p.Compile()
	return p
}

func (c *churn) client(i int) netip.Addr {
	a := c.l.a.v6.As16()
	a[14] = byte(1 + i)
	return netip.AddrFrom16(a)
}

var figures = regexp.MustCompile(`[0-9]+(s| bytes| has)`)

// shortened is a reason without its socket and figures.
func shortened(reason string) string {
	if _, why, ok := strings.Cut(reason, "): "); ok {
		reason = why
	}
	return figures.ReplaceAllString(reason, "N$1")
}

// dialer connects from inside the clients' namespace.
func (c *churn) dialer() {
	runtime.LockOSThread() // and never unlocked: the thread ends with us
	ns, err := unix.Open("/run/netns/"+c.l.a.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(ns)
		err = unix.Setns(ns, unix.CLONE_NEWNET)
	}
	if err != nil {
		c.t.Error(err)
		return
	}
	for {
		select {
		case <-c.ctx.Done():
			return
		case d := <-c.dial:
			conn, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(d.local), net.TCPAddrFromAddrPort(d.remote))
			if err != nil {
				c.t.Error(err)
				close(d.done)
				continue
			}
			d.done <- conn
		}
	}
}

// play has one connection live from its beginning to its end.
func (c *churn) play() {
	kind := rand.IntN(len(churnKinds))
	d := dialing{netip.AddrPortFrom(c.client(rand.IntN(churnAddrs)), 0), at(c.l.b.v6, churnPort+uint16(kind)), make(chan net.Conn, 1)}
	if rand.IntN(4) == 0 {
		d.local, d.remote = at(c.l.a.v4, 0), at(c.l.b.v4, d.remote.Port())
	}
	select {
	case <-c.ctx.Done():
		return
	case c.dial <- d:
	}
	conn := <-d.done
	if conn == nil {
		c.pause(time.Second)
		return
	}
	c.connections.Add(1)
	e := c.book.opened(&c.rows.Peers[kind], churnKinds[kind].acts, plain(conn.LocalAddr()), plain(conn.RemoteAddr()))
	c.meeting(e.local[0]) <- e
	newPlayer(c, e, 0, conn, churnKinds[kind].offers).live()
}

func (c *churn) serve(listener *net.TCPListener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			addr := plain(conn.RemoteAddr())
			select {
			case e := <-c.meeting(addr):
				c.met.Delete(addr)
				newPlayer(c, e, 1, conn, false).live()
			case <-c.ctx.Done():
				conn.Close()
			}
		}()
	}
}

func (c *churn) meeting(client netip.AddrPort) chan *entry {
	ch, _ := c.met.LoadOrStore(client, make(chan *entry, 1))
	return ch.(chan *entry)
}

func plain(a net.Addr) netip.AddrPort {
	p := addrOf(a)
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

func (c *churn) pause(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

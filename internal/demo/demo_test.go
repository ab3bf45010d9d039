// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

func open(t *testing.T) *Play {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Every script fails if the other end does not do its part, so a play without
// an error has been played to the end by all.
func TestPlay(t *testing.T) {
	t.Parallel()
	p := open(t)
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	const made = 1 + hastyConnections + swampConnections + 1 + resetConnections
	if n := p.Connections(); n != made {
		t.Errorf("%d connections, want %d", n, made)
	}
	standing := map[string]int{}
	for e, open := range p.made {
		if m, o := p.Made(e); !m || o != open {
			t.Errorf("Made(%v) = %v, %v", e, m, o)
		}
		if open {
			standing[e.Peer.Addr().String()]++
		}
	}
	phone, partner := p.Peers[0].Addr.Addr().String(), p.Peers[3].Addr.Addr().String()
	if len(standing) != 2 || standing[phone] != 1 || standing[partner] != 1 {
		t.Errorf("left open: %v, want one of %s and one of %s", standing, phone, partner)
	}
	if made, _ := p.Made(Ends{Server: p.Server, Peer: p.Server}); made {
		t.Error("a connection that nobody made counts as made")
	}
}

func TestRunStopsEarly(t *testing.T) {
	t.Parallel()
	p := open(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for p.Connections() == 0 {
		select {
		case err := <-done:
			t.Fatalf("ended before it began: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	began := time.Now()
	stop()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v, want no error", err)
	}
	if d := time.Since(began); d > Length/4 {
		t.Errorf("took %v to stop", d)
	}
}

// A play that cannot go on says who could not, and takes the others along.
func TestRunFails(t *testing.T) {
	t.Parallel()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.server.listener.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := p.Run(t.Context()); err == nil {
		t.Error("played without a server")
	} else if d := time.Since(began); d > patience/2 {
		t.Errorf("took %v to fail with %v", d, err)
	}
	if err := p.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed the server twice without an error: %v", err)
	}
}

func TestKeepIntervals(t *testing.T) {
	t.Parallel()
	all := keepIntervals()
	if len(all) != keepPings {
		t.Fatalf("%d intervals, want %d", len(all), keepPings)
	}
	const agreed = keepSeconds * time.Second
	sum, different := time.Duration(0), false
	for _, d := range all {
		if d < agreed*80/100 || d > agreed {
			t.Errorf("%v is not 80 to 100 %% of %v", d, agreed)
		}
		different = different || d != all[0]
		sum += d
	}
	if !different {
		t.Errorf("no jitter: %v", all)
	}
	if sum > Length {
		t.Errorf("the keep-alives take %v of %v", sum, Length)
	}
	if end := swampAfter + swampConnections*swampEvery + swampIdle; end > Length {
		t.Errorf("the swamp takes %v of %v", end, Length)
	}
}

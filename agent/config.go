// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Config bounds the core and names the run. Zero values mean the defaults
// given.
type Config struct {
	Source  string     // "live" (default) or "pcap"
	Started event.Time // beginning of the observation

	MaxConnections  int // TCP connections and UDP flows together: 1,200,000
	MaxTransactions int // 500,000
	MaxDialogs      int // 500,000
	MaxPeers        int // 100,000
	MaxBindings     int // registrations, once for each hop: 500,000
	MaxClosed       int // closed connections kept for the report: 100,000
	MaxFindings     int // causes reported: 10,000
	MaxMetricPeers  int // peers of the policy that are counted by themselves: 50
	ClosesPerMinute int // that a policy may have done: 60
	MaxHeldBytes    int // out-of-order bytes of all streams: 64 MiB
	MaxMessage      int // longest message head: 64 KiB
	MaxHistory      int // bytes of what is remembered of the past of all connections: 0, nothing is

	FlowTimeout    time.Duration // silence that ends a UDP flow: 5 minutes
	CheckProtected time.Duration // how often protected connections are looked at: 1 minute

	// Random draws the times of keep-alives and the transaction ids of Binding
	// requests, which nobody should be able to guess: on a live host give a
	// source of the kind of rand.ChaCha8. nil: the same numbers in every run.
	Random rand.Source

	// Opaque, if set, says why the plaintext of a process's TLS connections is not
	// seen, "" if that is not known. It must not wait, nor call the core.
	Opaque func(pid uint32) string

	// Heard, if set, is shown each SIP message that could be read, in the order of
	// their bytes. It must not wait, nor call the core.
	Heard func(Heard)

	Profile rule.Profile
	Policy  *policy.Policy // nil: one peer, other, that is observed
}

// Heard is a SIP message.
type Heard struct {
	Conn      *fact.Conn // the core's
	Local     netip.AddrPort
	Direction event.Direction
	Time      event.Time
	Head      []byte // with the blank line; of a datagram the body, too. Valid until Heard returns
}

// Lost is what the source of the events lost before the core could see it.
type Lost struct {
	RingFull     uint64
	MapFull      uint64
	QueueOverrun uint64

	CaptureDropped uint64 // packets that a capture file says it does not hold
	Unreadable     uint64 // packets of it whose headers could not be read
	Fragments      uint64 // datagrams of which fragments were missing
}

func (c Config) withDefaults() Config {
	if c.Policy == nil {
		c.Policy = &policy.Policy{Fallback: policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}}
		c.Policy.Compile()
	}
	if c.Random == nil {
		c.Random = rand.NewPCG(1, 2)
	}
	if c.Source == "" {
		c.Source = "live"
	}
	for _, d := range []struct {
		v   *int
		def int
	}{
		{&c.MaxConnections, 1_200_000},
		{&c.MaxTransactions, 500_000},
		{&c.MaxDialogs, 500_000},
		{&c.MaxPeers, 100_000},
		{&c.MaxBindings, 500_000},
		{&c.MaxClosed, 100_000},
		{&c.MaxFindings, 10_000},
		{&c.MaxMetricPeers, 50},
		{&c.ClosesPerMinute, 60},
		{&c.MaxHeldBytes, 64 << 20},
		{&c.MaxMessage, 64 << 10},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	if c.FlowTimeout <= 0 {
		c.FlowTimeout = 5 * time.Minute
	}
	if c.CheckProtected <= 0 {
		c.CheckProtected = time.Minute
	}
	return c
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/limit"
)

const (
	limitRounds      = 5
	limitConnections = 10_000
)

// limits times the limiter's programs: ten networks, and then 10,000 of them.
func limits() error {
	for _, networks := range []int{10, 10_000} {
		if err := limitsOf(networks); err != nil {
			return err
		}
	}
	return nil
}

func limitsOf(networks int) (err error) {
	p := limitPolicy(networks)
	start := time.Now()
	tables, problems := limit.Compile(p)
	if len(problems) > 0 {
		return fmt.Errorf("compile the limits: %v", problems)
	}
	compiled := time.Since(start)
	l, err := bpf.LoadLimiter("", &tables.LimitTables)
	if err != nil {
		return err
	}
	loaded := time.Since(start)
	defer func() { err = errors.Join(err, l.Close()) }()
	stats, err := bpf.EnableStats()
	if err != nil {
		return err
	}
	defer stats.Close()

	var passing, arriving, calling, changing []float64
	for range limitRounds {
		var fast map[string]bpf.Cost
		err := echoed("5060", make([]byte, 160), func(roundTrips func(int) error) (err error) {
			fast, err = costs(l, func() error { return roundTrips(packetCount / 2) })
			return err
		})
		if err != nil {
			return err
		}
		whole, err := costs(l, func() error { return connections(limitConnections) })
		if err != nil {
			return err
		}
		// Of each connection two packets come to the listener, all others to a
		// connection.
		packet := whole["limit_packet_in"]
		each := mean(bpf.Cost{}, fast["limit_packet_in"])
		others := each * float64(packet.Runs-2*limitConnections)
		passing = append(passing, each)
		arriving = append(arriving, (float64(packet.Time)-others)/limitConnections)
		calling = append(calling, mean(bpf.Cost{}, whole["limit_connect_v4"]))
		changing = append(changing, mean(bpf.Cost{}, whole["limit_tcp_state"])+mean(bpf.Cost{}, whole["limit_tcp_state_again"]))
	}
	with := fmt.Sprintf("limits of %d networks: ", networks)
	row(with+"a packet of an open connection", fmt.Sprintf("%.0f ns", median(passing)), "80 ns")
	row(with+"a connection that arrives (SYN and last ACK)", fmt.Sprintf("%.0f ns", median(arriving)), "2000 ns")
	row(with+"a connect()", fmt.Sprintf("%.0f ns", median(calling)), "1000 ns")
	row(with+"a change of a connection's state, both programs", fmt.Sprintf("%.0f ns", median(changing)), "500 ns")
	row(with+"a policy takes force", fmt.Sprintf("%.0f ms, %.0f of them to compile", float64(loaded)/1e6, float64(compiled)/1e6), "1 s")
	return nil
}

// limitPolicy has rows that all limit; the last holds the connections made here.
func limitPolicy(networks int) *policy.Policy {
	p := &policy.Policy{Fallback: policy.Peer{Name: policy.Other}}
	add := func(prefix netip.Prefix) {
		p.Peers = append(p.Peers, policy.Peer{
			Name: prefix.String(), Enforce: policy.Enforce, Match: policy.Match{CIDRs: []netip.Prefix{prefix}},
			Limits: policy.Limits{ConnectsPerSecond: 1e6, Burst: 1e6, MaxConnections: 1e6, In: true, Out: true},
		})
	}
	for i := range networks - 1 {
		add(netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + i>>16&1), byte(i >> 8), byte(i)}), 32))
	}
	add(netip.MustParsePrefix("127.77.0.0/24"))
	p.Compile()
	return p
}

// costs is what each program did during f.
func costs(l *bpf.Limiter, f func() error) (map[string]bpf.Cost, error) {
	before, err := l.Hooks()
	if err != nil {
		return nil, err
	}
	if err := f(); err != nil {
		return nil, err
	}
	after, err := l.Hooks()
	if err != nil {
		return nil, err
	}
	all := make(map[string]bpf.Cost)
	for i, h := range after {
		all[h.Program] = bpf.Cost{Runs: h.Runs - before[i].Runs, Time: h.RunTime - before[i].RunTime}
	}
	return all, nil
}

// connections opens and closes n of them, one after the other, on port 5060 of
// this benchmark's address, from that address.
func connections(n int) error {
	address := &net.TCPAddr{IP: net.IPv4(127, 77, 0, 1)}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: address.IP, Port: 5060})
	if err != nil {
		return err
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			c.Close()
		}
	})
	defer serving.Wait()
	defer l.Close()
	for range n {
		c, err := net.DialTCP("tcp", address, l.Addr().(*net.TCPAddr))
		if err != nil {
			return err
		}
		// The end of the stream: the server has accepted, and its side waits for
		// the last packets, not this port.
		if _, err := c.Read(make([]byte, 1)); err == nil {
			return errors.New("a byte from nowhere")
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

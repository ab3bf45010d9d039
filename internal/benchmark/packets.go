// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/event"
)

const (
	packetRounds = 5
	packetCount  = 200_000
	tlsRecord    = 23 // application data
)

// packets times the packet programs with the kernel's own clock, on a socket
// that was found not to carry SIP and on one that does, and what that clock
// costs by itself on a socket of no interest at all.
func packets() (err error) {
	probes, err := bpf.Load(bpf.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, probes.Close()) }()
	stats, err := bpf.EnableStats()
	if err != nil {
		return err
	}
	defer stats.Close()

	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			if _, err := probes.Read(10*time.Millisecond, func(*event.Event) {}); err != nil {
				return
			}
		}
	})
	defer reading.Wait()
	defer cancel()

	other := make([]byte, 160)
	sip := sipOfLength(800)
	sealed := append([]byte{tlsRecord, 3, 3, 795 >> 8, 795 & 255}, make([]byte, 795)...) // a record of TLS
	for _, m := range []struct {
		what, goal, port string
		payload          []byte
	}{
		{"a packet of a TCP socket that is not SIP (fast path)", "80 ns", "0", other},
		{"a captured TCP segment of 800 bytes", "800 ns", "5060", sip},
		{"a TLS record of 800 bytes, of which the header goes up", "800 ns", "5061", sealed},
	} {
		var in, out []float64
		for range packetRounds {
			i, o, err := timePrograms(probes, m.port, m.payload)
			if err != nil {
				return err
			}
			in, out = append(in, i), append(out, o)
		}
		row(m.what, fmt.Sprintf("in %.0f ns, out %.0f ns", median(in), median(out)), m.goal)
	}
	return nil
}

// timePrograms sends payload one by one, each echoed, and returns the mean time
// of the programs for one packet.
func timePrograms(probes *bpf.Probes, port string, payload []byte) (in, out float64, err error) {
	err = echoed(port, payload, func(roundTrips func(int) error) error {
		if err := roundTrips(100); err != nil { // past the verdict
			return err
		}
		inBefore, outBefore, err := probes.PacketCosts()
		if err != nil {
			return err
		}
		if err := roundTrips(packetCount / 2); err != nil {
			return err
		}
		inAfter, outAfter, err := probes.PacketCosts()
		in, out = mean(inBefore, inAfter), mean(outBefore, outAfter)
		return err
	})
	return in, out, err
}

// echoed hands use a function that sends payload so many times, over one
// connection, and waits for each to come back.
func echoed(port string, payload []byte, use func(roundTrips func(n int) error) error) error {
	client, server, err := pair(port)
	if err != nil {
		return err
	}
	defer client.Close()
	defer server.Close()
	var echo sync.WaitGroup
	echo.Go(func() { io.Copy(server, server) })
	defer echo.Wait()
	defer client.Close()

	buffer := make([]byte, len(payload))
	if payload[0] == tlsRecord { // the first one is of the handshake, as always
		first := append([]byte{22}, payload[1:]...)
		if _, err := client.Write(first); err != nil {
			return err
		}
		if _, err := io.ReadFull(client, buffer); err != nil {
			return err
		}
	}
	return use(func(n int) error {
		for range n {
			if _, err := client.Write(payload); err != nil {
				return err
			}
			if _, err := io.ReadFull(client, buffer); err != nil {
				return err
			}
		}
		return nil
	})
}

// mean is nanoseconds a run between two readings.
func mean(before, after bpf.Cost) float64 {
	return float64(after.Time-before.Time) / float64(max(1, after.Runs-before.Runs))
}

func pair(port string) (client, server net.Conn, err error) {
	l, err := net.Listen("tcp", "127.77.0.1:"+port)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	server, ok := <-accepted
	if !ok {
		return nil, nil, errors.Join(errors.New("accept failed"), client.Close())
	}
	return client, server, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// SPDX-License-Identifier: Apache-2.0

// Benchmark measures what viaduct costs on this host and prints it as the rows
// of docs/performance.md. It needs root, sipp, gcc with the headers of libssl, Mbed TLS and GnuTLS, and a
// quiet machine; only loopback is used.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 {
		return errors.New("usage: benchmark PATH-OF-VIADUCT [MEASURE ...]")
	}
	viaduct, only := os.Args[1], os.Args[2:]
	if viaduct == goPeer {
		return playGoPeer(only)
	}
	fmt.Println("| what | measured | goal |\n|---|---|---|")
	for _, m := range []struct {
		name    string
		measure func() error
	}{
		{"packets", packets},
		{"limits", limits},
		{"captures", func() error {
			if err := captures("calls with 100 packets of RTP each", viaduct, 100); err != nil {
				return err
			}
			return captures("signalling only", viaduct, 0)
		}},
		{"messages", func() error {
			if err := perMessage(viaduct, 1_000); err != nil {
				return err
			}
			return perMessage(viaduct, 5_000)
		}},
		{"offered", func() error { return offeredRate(viaduct, 5_000) }},
		{"saturated", func() error {
			if err := callRate("saturated, caller and answerer on one CPU, viaduct on another", viaduct, first, second); err != nil {
				return err
			}
			return callRate("saturated, all three on the same two CPUs", viaduct, anywhere, anywhere)
		}},
		{"tls-saturated", func() error { return tlsSaturated(viaduct, libsslPeers) }},
		{"tls-offered", func() error { return tlsOffered(viaduct, libsslPeers) }},
		{"tls-go-saturated", func() error { return tlsSaturated(viaduct, goPeers) }},
		{"tls-go-offered", func() error { return tlsOffered(viaduct, goPeers) }},
		{"tls-gnutls-saturated", func() error { return tlsSaturated(viaduct, gnuPeers) }},
		{"tls-mbed-saturated", func() error { return tlsSaturated(viaduct, mbedPeers) }},
	} {
		if len(only) > 0 && !slices.Contains(only, m.name) {
			continue
		}
		if err := m.measure(); err != nil {
			return err
		}
	}
	return nil
}

func row(what, measured, goal string) {
	fmt.Printf("| %s | %s | %s |\n", what, measured, goal)
}

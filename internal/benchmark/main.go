// SPDX-License-Identifier: Apache-2.0

// Benchmark measures what viaduct costs on this host and prints it as the rows
// of docs/performance.md. It needs root, sipp, and a quiet machine; only
// loopback is used.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: benchmark PATH-OF-VIADUCT")
	}
	viaduct := os.Args[1]
	fmt.Println("| what | measured | goal |\n|---|---|---|")
	for _, measure := range []func() error{
		packets,
		limits,
		func() error { return captures("calls with 100 packets of RTP each", viaduct, 100) },
		func() error { return captures("signalling only", viaduct, 0) },
		func() error { return perMessage(viaduct, 1_000) },
		func() error { return perMessage(viaduct, 5_000) },
		func() error { return offeredRate(viaduct, 5_000) },
		func() error {
			return callRate("saturated, caller and answerer on one CPU, viaduct on another", viaduct, first, second)
		},
		func() error {
			return callRate("saturated, all three on the same two CPUs", viaduct, anywhere, anywhere)
		},
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

func row(what, measured, goal string) {
	fmt.Printf("| %s | %s | %s |\n", what, measured, goal)
}

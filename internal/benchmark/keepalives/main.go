// SPDX-License-Identifier: Apache-2.0

// Keepalives measures what viaduct costs this host when it sends the keep-alives
// of very many flows, and how punctual it is, and prints rows of
// docs/performance.md. It needs root; only loopback is used.
//
// Programs of this host (this one, started again) register over real sockets
// with peers that want a keep-alive every 30 seconds, and send none. What goes
// out is read off the wire, apart from viaduct.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

// promised is what the peers ask for, in seconds.
const promised = 30

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "keepalives:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			return role(os.Args[2:])
		}
	}
	flows := flag.Int("flows", 100_000, "how many")
	method := flag.String("method", "", "tcp, crlf, stun, or none: they are watched, and nothing is sent; all of them, if not given")
	lasting := flag.Duration("time", 65*time.Second, "how long to measure, once all flows have registered")
	flag.Parse()
	if flag.NArg() != 1 {
		return errors.New("usage: keepalives [-flows N] [-method tcp|crlf|stun|none] [-time D] PATH-OF-VIADUCT")
	}
	fmt.Println("| what | measured | goal |\n|---|---|---|")
	for _, m := range []string{"none", "tcp", "crlf", "stun"} {
		if *method != "" && *method != m {
			continue
		}
		r := round{viaduct: flag.Arg(0), method: m, flows: *flows, lasting: *lasting}
		if err := r.run(); err != nil {
			return fmt.Errorf("method %s: %w", m, err)
		}
	}
	return nil
}

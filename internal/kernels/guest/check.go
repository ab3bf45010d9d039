// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/live"
)

// check loads and attaches everything, plays calls under it, and leaves what
// was played and what was reported for the host to compare.
func (l *log) check(libssl bool) {
	var pairs []*pair
	opens := func(network, address string) func() error {
		return func() error {
			p, err := open(l.ctx, network, address)
			if err == nil {
				pairs = append(pairs, p)
			}
			return err
		}
	}
	if !l.step("older connections", both(opens("tcp", "127.0.0.1:5060"), opens("tcp", "[::1]:5060"))) {
		return
	}
	older := len(pairs)
	var w *live.Watch
	if !l.step("load and attach", func() (err error) {
		w, err = live.Start(live.Options{})
		return err
	}) {
		return
	}
	reading, stop := context.WithCancel(l.ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(reading) }()

	l.step("TCP connections", both(opens("tcp", "127.0.0.1:5060"), opens("tcp", "[::1]:5060")))
	l.step("found by content", both(opens("tcp", "127.0.0.1:15060"), opens("udp", "127.0.0.1:15060")))
	// What a process says in TLS is seen since it was found and probed.
	scout := len(pairs)
	l.step("TLS, to be probed", opens("tls", "127.0.0.1:5061"))
	l.step("probed", l.probed(w, 1))
	l.step("TLS connections", both(opens("tls", "127.0.0.1:5061"), opens("tls", "[::1]:5061")))
	l.step("UDP sockets", both(opens("udp", "127.0.0.1:5060"), opens("udp", "[::1]:5060")))
	for i, p := range pairs {
		p.Older, p.Scout = i < older, i == scout
		if !p.Scout {
			l.step("call "+p.Network+" "+p.Called, func() error { return p.talk(l.ctx) })
		}
		l.Calls = append(l.Calls, p.Call)
	}
	// Holders are found by scanning, so the sockets stay until that was done.
	l.step("holders", l.until(w, func(c *report.Connection) bool { return c.Process != nil }))
	for i, p := range pairs {
		l.step("close "+p.Network+" "+p.Called, p.close)
		l.Calls[i] = p.Call
	}
	// Nothing tells of the end of a UDP socket.
	l.step("ends", l.until(w, func(c *report.Connection) bool { return c.Closed != nil || c.Transport == "udp" }))
	if libssl {
		l.step("libssl", func() error { return l.libssl(w) })
	}
	stop()
	l.step("last records", func() error { return errors.Join(<-ended, w.Finish()) })
	l.Report = w.Report()
	l.step("detach", w.Close)
	l.step("limits", l.limits)
	l.step("keep-alives", l.keepalives)
}

func both(f, g func() error) func() error {
	return func() error { return errors.Join(f(), g()) }
}

// probed waits until what so many processes say in TLS is seen.
func (l *log) probed(w *live.Watch, processes int) func() error {
	return func() error {
		for tick := time.Tick(50 * time.Millisecond); ; {
			s, err := w.TLS()
			if err != nil || s.Followed >= processes {
				return err
			}
			select {
			case <-tick:
			case <-l.ctx.Done():
				return fmt.Errorf("%+v: %w", s, l.ctx.Err())
			}
		}
	}
}

// until waits for a condition on every socket. It gives up quietly: what is
// missing then shows when the host compares the report.
func (l *log) until(w *live.Watch, condition func(*report.Connection) bool) func() error {
	holds := func() bool {
		all := w.Report().Connections
		for i := range all {
			if !condition(&all[i]) {
				return false
			}
		}
		return len(all) == 2*len(l.Calls)
	}
	return func() error {
		patience := time.After(30 * time.Second)
		for tick := time.Tick(50 * time.Millisecond); !holds(); {
			select {
			case <-tick:
			case <-patience:
				return nil
			case <-l.ctx.Done():
				return l.ctx.Err()
			}
		}
		return nil
	}
}

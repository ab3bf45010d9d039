// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"
)

const (
	// pairs of addresses, and so of processes: a process may have 20,000 files open.
	pairs = 8
	// rate at which flows are opened, in all, a second.
	rate = 4000
)

// round measures one method.
type round struct {
	viaduct, method string
	flows           int
	lasting         time.Duration
}

func (r *round) run() (err error) {
	restore, err := raiseBacklog()
	if err != nil {
		return err
	}
	defer restore()
	a, err := startAgent(r.viaduct, r.method)
	if err != nil {
		return err
	}
	defer a.stop()
	peers, programs, err := r.play()
	defer stop(append(peers, programs...))
	if err != nil {
		return err
	}
	w, err := watchWire(r.method)
	if err != nil {
		return err
	}
	before, err := a.used()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := w.watch(start.Add(r.lasting)); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := a.used()
	if err != nil {
		return err
	}
	m, err := a.metrics()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d flows, %s: ", r.flows, r.method)
	row(what+"CPU of the agent", fmt.Sprintf("%.1f %% of one core, %.1f %% of it in the processes that write", percent(after.all()-before.all(), took), percent(after.writer-before.writer, took)), "")
	rss, err := a.memory()
	if err != nil {
		return err
	}
	row(what+"memory of the agent", rss, "")
	if r.method == "none" {
		return nil
	}
	row(what+"keep-alives seen on the wire", w.counted(r.flows, took), "")
	row(what+"from one to the next", w.intervals(), "30 s")
	if r.method != "tcp" {
		row(what+"later than viaduct had meant to send it", m.lateness(), "p99 under 1 s")
		row(what+"writes", m.writes(), "")
	}
	row(what+"lost records, misplaced, unanswered keep-alives; actions", m.losses(), "0")
	return nil
}

// play starts the peers and the programs, and waits until all have registered.
func (r *round) play() (peers, programs []*player, err error) {
	kind := "stream"
	if r.method == "stun" {
		kind = "flow"
	}
	for i := range pairs {
		p, err := startPlayer(kind+"-peer", strconv.Itoa(i))
		if err != nil {
			return peers, programs, err
		}
		peers = append(peers, p)
		if err := p.hears("ready"); err != nil {
			return peers, programs, err
		}
	}
	for i := range pairs {
		p, err := startPlayer(kind+"-program", strconv.Itoa(i), strconv.Itoa(r.flows/pairs), strconv.Itoa(rate/pairs))
		if err != nil {
			return peers, programs, err
		}
		programs = append(programs, p)
	}
	for _, p := range programs {
		if err := p.hears("ready"); err != nil {
			return peers, programs, err
		}
	}
	return peers, programs, nil
}

func percent(cpu, took time.Duration) float64 { return 100 * cpu.Seconds() / took.Seconds() }

func row(what, measured, goal string) { fmt.Printf("| %s | %s | %s |\n", what, measured, goal) }

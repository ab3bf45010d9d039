// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/policyfile"
)

type auditCommand struct {
	probeFlags
	policyFlag
	For    time.Duration `help:"Stop after this long, as in 30s or 10m. Without it, Ctrl-C ends the audit and prints the report." placeholder:"DURATION"`
	PID    int           `name:"pid" help:"Report the sockets of this process and its descendants only." placeholder:"PID"`
	Pcap   string        `name:"pcap" help:"Audit this capture file (pcap or pcapng, also compressed by gzip or zstd) and not the host; - reads standard input. Needs no privilege." placeholder:"FILE"`
	Local  []network     `name:"local" help:"With --pcap: the addresses of the host that the report is for, as in 192.0.2.0/24 or 192.0.2.1. Repeatable." placeholder:"CIDR"`
	FailOn string        `help:"Exit with 1 if there is a finding of at least this severity: ${enum}." enum:"violation,advice,never" default:"violation"`
	outputFlags
}

// probeFlags are shared by the commands that load the probes.
type probeFlags struct {
	Port     []uint16 `name:"port" help:"A port that carries SIP for sure, instead of 5060 and 5061. Elsewhere SIP is found by its content. Repeatable." placeholder:"PORT"`
	NoTLS    bool     `name:"no-tls" help:"Do not read what is inside TLS connections."`
	RingSize int      `help:"Bytes of the buffer between kernel and agent, a power of two." default:"16777216" placeholder:"BYTES"`
}

func (f probeFlags) options() (bpf.Options, error) {
	if f.RingSize < os.Getpagesize() || f.RingSize&(f.RingSize-1) != 0 || f.RingSize > 1<<30 {
		return bpf.Options{}, fmt.Errorf("--ring-size %d: must be a power of two from %d to %d", f.RingSize, os.Getpagesize(), 1<<30)
	}
	if slices.Contains(f.Port, 0) {
		return bpf.Options{}, errors.New("--port 0: ports are 1 to 65535")
	}
	return bpf.Options{Ports: f.Port, RingBytes: f.RingSize}, nil
}

func (c *auditCommand) Run(env *environment) error {
	probes, err := c.options()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	p, err := c.once()
	if err != nil {
		return err
	}
	p = watched(p)
	probes.Ports = c.ports(p)
	out, err := c.open(env)
	if err != nil {
		return err
	}
	defer out.Close()
	core := c.config()
	core.Policy = p
	var r *report.Report
	if c.Pcap != "" {
		r, err = auditCapture(env, c.Pcap, track.Options{Ports: probes.Ports, Local: networks(c.Local)}, core)
	} else {
		r, err = watch(env, live.Options{Probes: probes, Core: core, NoTLS: c.NoTLS}, c.For)
	}
	if err != nil {
		return err
	}
	if c.PID != 0 {
		r = report.Only(r, ofProcess(c.PID))
	}
	if err := c.write(out, r); err != nil {
		return err
	}
	return failOn(c.FailOn, r)
}

// check refuses flags that have no meaning together.
func (c *auditCommand) check() error {
	switch {
	case c.For < 0:
		return fmt.Errorf("--for %v: must not be negative", c.For)
	case c.Pcap == "" && len(c.Local) > 0:
		return errors.New("--local says which side of a capture this host is: give it with --pcap; live, the kernel knows")
	case c.Pcap != "" && c.For != 0:
		return errors.New("--for and --pcap: a capture is read to its end; give one of them")
	case c.Pcap != "" && c.PID != 0:
		return errors.New("--pid and --pcap: a capture does not know processes; give one of them")
	}
	return nil
}

// watch observes the host for a while, or until env's context is done if that
// is 0, and returns the report.
func watch(env *environment, o live.Options, d time.Duration) (_ *report.Report, err error) {
	w, err := live.Start(o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	force := inForce{policy: cmp.Or(o.Core.Policy, policyfile.Default())}
	if err := force.start(w); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, force.limiter.Close()) }()
	ctx := env.ctx
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	stop := showProgress(env.stderr, watchLine(w, d))
	err = force.follow(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	if err := w.Finish(); err != nil {
		return nil, err
	}
	return w.Report(), nil
}

// failOn turns findings into the exit code that the user asked for.
func failOn(severity string, r *report.Report) error {
	found := r.Summary.Findings
	switch {
	case severity == "violation" && found.Violation > 0,
		severity == "advice" && found.Violation+found.Advice > 0:
		return errFindings
	}
	return nil
}

// nopCloser leaves standard output open.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/live"
)

// auditCapture returns the report on a capture file, or on standard input if
// that is -. A file that is cut off gives a report on what is there, and a
// warning. One that turns out to lack packets is read again, with the knowledge
// of where; standard input cannot be.
func auditCapture(env *environment, name string, o track.Options, c agent.Config) (*report.Report, error) {
	from, size := os.Stdin, int64(0)
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("audit a capture: %w", err)
		}
		defer file.Close()
		from = file
		if stat, err := file.Stat(); err == nil && stat.Mode().IsRegular() {
			size = stat.Size()
		}
	}
	c.Source = "pcap"
	core, read, err := readCapture(env, from, size, o, c)
	if err == nil && size > 0 && env.ctx.Err() == nil {
		if o.Doubt = read.Doubt(core.Unasked()); o.Doubt != nil {
			if _, err = from.Seek(0, io.SeekStart); err == nil {
				core, read, err = readCapture(env, from, size, o, c)
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("audit the capture %s: %w", name, err)
	}
	if read.Cut != nil {
		why := read.Cut.Error()
		if errors.Is(read.Cut, context.Canceled) {
			why = "stopped"
		}
		fmt.Fprintf(env.stderr, "viaduct: %s: %s; the report is on the %d packets before\n", name, why, read.Frames)
	}
	return captureReport(core, read, len(o.Local) > 0), nil
}

// readCapture reads the capture from where it stands.
func readCapture(env *environment, from io.Reader, size int64, o track.Options, c agent.Config) (*agent.Core, *capture.Result, error) {
	counted := &countingReader{Reader: from}
	core := agent.New(c)
	defer showProgress(env.stderr, counted.progress(size))()
	read, err := capture.Read(env.ctx, counted, o, core)
	return core, read, err
}

func captureReport(core *agent.Core, read *capture.Result, sides bool) *report.Report {
	core.SetLost(agent.Lost{
		MapFull:        read.Evicted,
		CaptureDropped: read.Dropped,
		Unreadable:     read.Unreadable + read.NoLink,
		Fragments:      read.Fragments,
	})
	core.Finish(read.Last)
	doubt := read.Doubt(core.Unasked())
	r := core.Report(read.Last)
	r.Started = read.First.Go()
	r.Features = live.CaptureFeatures()
	r.Features["processes"] = "unavailable: a capture does not show which process holds a connection"
	if !sides {
		r.Features["sides"] = "unavailable: local is the side that opened a connection, or was seen to send first; --local CIDR says which addresses are this host's"
	}
	if doubt != nil {
		r.Features["packets"] = fmt.Sprintf("missing: the capture lacks segments of %d connections, and perhaps datagrams; what is not in it is not judged there", len(doubt.Sockets))
	}
	if read.Duplicates > 0 {
		r.Features["duplicates"] = fmt.Sprintf("%d packets were captured more than once and count once", read.Duplicates)
	}
	if read.NoLink > 0 {
		r.Features["link types"] = fmt.Sprintf("%d packets of link type %d (%v) or another that viaduct cannot read", read.NoLink, uint16(read.Link), read.Link)
	}
	if read.Cut != nil {
		r.Features["end of file"] = fmt.Sprintf("missing: %v; %d packets were read", read.Cut, read.Frames)
	}
	return r
}

// network is a CIDR prefix, or one address.
type network netip.Prefix

// UnmarshalText reads a flag's value.
func (n *network) UnmarshalText(b []byte) error {
	text := string(b)
	if a, err := netip.ParseAddr(text); err == nil {
		*n = network(netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		return nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a network like 192.0.2.0/24", text)
	}
	*n = network(p)
	return nil
}

func networks(flags []network) []netip.Prefix {
	var all []netip.Prefix
	for _, n := range flags {
		all = append(all, netip.Prefix(n))
	}
	return all
}

// countingReader tells how far a reader has come.
type countingReader struct {
	io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// progress tells of a file of so many bytes, or 0 if that is not known.
func (c *countingReader) progress(size int64) func(time.Duration) string {
	return func(elapsed time.Duration) string {
		n := c.n.Load()
		line := fmt.Sprintf("%d MB read", n>>20)
		if size > 0 {
			line = fmt.Sprintf("%d %% of %d MB", 100*n/size, size>>20)
		}
		return fmt.Sprintf("%s: %s (Ctrl-C: report)", elapsed.Round(time.Second), line)
	}
}

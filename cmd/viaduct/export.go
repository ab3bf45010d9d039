// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/export"
	"github.com/viaduct-project/viaduct/internal/hep"
	"github.com/viaduct-project/viaduct/internal/live"
)

// exportFlags say what leaves the agent.
type exportFlags struct {
	Export struct {
		File string `help:"Append connections that have ended, findings and actions to this file, as JSON lines; - is standard output." placeholder:"FILE"`
	} `embed:"" prefix:"export."`
	Hep struct {
		Address     string `help:"Send the heads of the SIP messages seen, without credentials, to this HEP collector, as of Homer." placeholder:"HOST:PORT"`
		Network     string `help:"By what: ${enum}." enum:"udp,tcp" default:"udp"`
		ID          uint32 `name:"id" help:"Capture id of this agent." default:"2001" placeholder:"N"`
		Node        string `help:"Name of this agent; the host's if not given." placeholder:"NAME"`
		KeyFile     string `help:"A file with the key that the collector asks for." placeholder:"FILE" type:"path"`
		Credentials bool   `help:"Send Authorization and Proxy-Authorization as they are."`
		TLS         bool   `name:"tls" help:"Send messages that went over TLS, too. They go to the collector as plain text."`
	} `embed:"" prefix:"hep."`
}

// exports is what the flags ask for; each may be nil.
type exports struct {
	records *export.Records
	sender  *hep.Sender
	tls     bool
}

func (f exportFlags) start(log *slog.Logger) (*exports, error) {
	x := &exports{tls: f.Hep.TLS}
	host, _ := os.Hostname() // "" if it has none
	if f.Export.File != "" {
		var err error
		if x.records, err = export.OpenRecords(f.Export.File, host, log); err != nil {
			return nil, fmt.Errorf("--export.file %s: %w", f.Export.File, err)
		}
	}
	if f.Hep.Address == "" {
		return x, nil
	}
	o := hep.Options{
		Address: f.Hep.Address, Network: f.Hep.Network, Credentials: f.Hep.Credentials, Log: log,
		Agent: hep.Agent{ID: f.Hep.ID, Node: f.Hep.Node},
	}
	if o.Agent.Node == "" {
		o.Agent.Node = host
	}
	key, err := readKey(f.Hep.KeyFile)
	if err != nil {
		return nil, err
	}
	o.Agent.Key = key
	if x.sender, err = hep.New(o); err != nil {
		return nil, fmt.Errorf("--hep.address %s: %w", f.Hep.Address, err)
	}
	return x, nil
}

// readKey keeps secrets out of the list of processes.
func readKey(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("--hep.key-file: %w", err)
	}
	return string(bytes.TrimSpace(b)), nil
}

// acted tells of an action, beside what is told already.
func (x *exports) acted(told func(report.Action)) func(report.Action) {
	if x.records == nil {
		return told
	}
	return func(a report.Action) {
		told(a)
		x.records.Action(a)
	}
}

// heard is what the core shows messages to, nil if nobody wants them.
func (x *exports) heard() func(agent.Heard) {
	if x.sender == nil {
		return nil
	}
	return func(h agent.Heard) {
		if h.Conn.Transport == event.TLS && !x.tls {
			return
		}
		m := hep.Message{Time: h.Time.Go(), Source: h.Local, Destination: h.Conn.Remote, Datagram: h.Conn.Transport == event.UDP, Head: h.Head}
		if h.Direction == event.In {
			m.Source, m.Destination = m.Destination, m.Source
		}
		x.sender.Send(&m)
	}
}

// run exports until ctx is done.
func (x *exports) run(ctx context.Context, tasks *errgroup.Group, w *live.Watch) {
	if x.records != nil {
		v := w.View()
		tasks.Go(func() error {
			return x.records.Run(ctx, func(f func(*agent.Core, event.Time)) {
				v.Lock.Lock()
				defer v.Lock.Unlock()
				f(v.Core, v.Now())
			})
		})
	}
	if x.sender != nil {
		tasks.Go(func() error {
			x.sender.Run(ctx)
			return nil
		})
	}
}

// sample adds what was exported, and what was not.
func (x *exports) sample(s *exporter.Sample) {
	if x.records != nil {
		s.Exported.Records, s.Unexported.Records = x.records.Counts()
	}
	if x.sender != nil {
		s.Exported.HEP, s.Unexported.HEP = x.sender.Counts()
	}
}

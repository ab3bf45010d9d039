// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/demo"
	"github.com/viaduct-project/viaduct/internal/live"
)

type demoCommand struct {
	BothEnds bool `help:"Show the peers' ends of the connections too, as an audit of this host does."`
	outputFlags
}

func (c *demoCommand) Run(env *environment) error {
	out, err := c.open(env)
	if err != nil {
		return err
	}
	defer out.Close()
	r, err := c.play(env)
	if err != nil {
		return err
	}
	return c.write(out, r)
}

// play plays the demo, watched by the probes, and returns the report on it.
func (c *demoCommand) play(env *environment) (_ *report.Report, err error) {
	w, err := live.Start(live.Options{Core: c.config()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	// The actors begin to listen when the probes are there to see who does.
	p, err := demo.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := w.Probes().SetPorts([]uint16{p.Server.Port()}); err != nil {
		return nil, err
	}
	legend(env.stderr, p, c.BothEnds)
	if err := playWatched(env, w, p); err != nil {
		return nil, err
	}
	if err := w.Finish(); err != nil {
		return nil, err
	}
	return report.Only(w.Report(), func(line *report.Connection) bool {
		made, _, servers := playedOn(p, line)
		return made && (servers || c.BothEnds)
	}), nil
}

// playWatched returns when the play has ended, or env's context is done, and
// the report shows what was played.
func playWatched(env *environment, w *live.Watch, p *demo.Play) error {
	acting, stopActing := context.WithCancel(env.ctx)
	defer stopActing()
	watching, stopWatching := context.WithCancel(context.Background())
	defer stopWatching()
	watched := make(chan error, 1)
	go func() {
		watched <- w.Run(watching)
		stopActing() // nobody watches any more
	}()
	stopProgress := showProgress(env.stderr, watchLine(w, demo.Length))
	err := p.Run(acting)
	stopProgress()
	if err == nil {
		settle(w, p)
	}
	stopWatching()
	return errors.Join(err, <-watched)
}

// settling bounds how long the last closes may take to arrive.
const settling = 2 * time.Second

// settle returns when the report shows all that the play did.
func settle(w *live.Watch, p *demo.Play) {
	late := time.After(settling)
	again := time.NewTicker(settling / 40)
	defer again.Stop()
	for !showsAll(w.Report(), p) {
		select {
		case <-again.C:
		case <-late:
			return
		}
	}
}

func showsAll(r *report.Report, p *demo.Play) bool {
	ends := 0
	for i := range r.Connections {
		line := &r.Connections[i]
		made, open, _ := playedOn(p, line)
		if made && open != (line.Closed == nil) {
			return false
		}
		if made {
			ends++
		}
	}
	return ends == 2*p.Connections()
}

// playedOn says whether the play made this connection and has left it open, and
// whether the line shows the server's end of it. The process would not do to
// tell: in a container this one has another pid than the kernel reports.
func playedOn(p *demo.Play, line *report.Connection) (made, open, servers bool) {
	local, err := netip.ParseAddrPort(line.Local)
	if err != nil {
		return false, false, false
	}
	remote, err := netip.ParseAddrPort(line.Remote)
	if err != nil {
		return false, false, false
	}
	if made, open = p.Made(demo.Ends{Server: local, Peer: remote}); made {
		return true, open, true
	}
	made, open = p.Made(demo.Ends{Server: remote, Peer: local})
	return made, open, false
}

// legend says who is who in the report, within 80 columns.
func legend(w io.Writer, p *demo.Play, bothEnds bool) {
	fmt.Fprintf(w, "A SIP server and %d neighbours play on this host's loopback for about %v.\n", len(p.Peers), demo.Length)
	if bothEnds {
		fmt.Fprintf(w, "The report shows each connection twice, from either end. Where remote is not\n"+
			"the server, %v, local is, and remote is one of these (-> look for):\n\n", p.Server)
	} else {
		fmt.Fprintf(w, "Both ends of each connection are here. The report shows the server's end: local\n"+
			"is the server, %v, and remote is one of these (-> look for):\n\n", p.Server)
	}
	for _, peer := range p.Peers {
		fmt.Fprintf(w, "%v %s\n%*s -> %s\n", peer.Addr.Addr(), peer.Does, len(peer.Addr.Addr().String()), "", peer.Look)
	}
	fmt.Fprintln(w)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/prometheus/common/promslog"
	build "github.com/prometheus/common/version"
	"golang.org/x/sync/errgroup"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/reload"
	"github.com/viaduct-project/viaduct/internal/web"
)

type agentCommand struct {
	probeFlags
	policyFlag
	exportFlags
	StateDir string `help:"Where to keep what was agreed on the open connections, in state.json, for the next start; nowhere if not given." placeholder:"DIR" type:"path"`
	Web      struct {
		ListenAddress []string `help:"Where to serve HTTP, repeatable; ${default} if not given. Only /metrics, /-/healthy and /-/ready answer to other hosts." default:"127.0.0.1:19060" sep:"none" placeholder:"HOST:PORT"`
		ConfigFile    string   `name:"config.file" help:"TLS and authentication for it, in the format of Prometheus' exporters." placeholder:"FILE"`
	} `embed:"" prefix:"web."`
	Log struct {
		Level  string `help:"Least severity that is logged: ${enum}." enum:"debug,info,warn,error" default:"info"`
		Format string `help:"Format of the log: ${enum}." enum:"logfmt,json" default:"logfmt"`
	} `embed:"" prefix:"log."`
}

func (c *agentCommand) Run(env *environment) error {
	probes, err := c.options()
	if err != nil {
		return err
	}
	return c.watch(env, probes)
}

// watch runs the agent until env's context is done.
func (c *agentCommand) watch(env *environment, probes bpf.Options) (err error) {
	log, err := c.logger(env.stderr)
	if err != nil {
		return err
	}
	if err := web.Validate(c.Web.ConfigFile); err != nil {
		return fmt.Errorf("--web.config.file %s: %w", c.Web.ConfigFile, err)
	}
	listeners, err := web.Listen(c.Web.ListenAddress)
	if err != nil {
		return err
	}
	defer web.Close(listeners)

	build.Version = version
	log.Info("Starting", "version", version, "kernel", bpf.Release())
	there := features(log)
	var force inForce
	file, err := c.keep(log, force.use)
	if err != nil {
		return err
	}
	probes.Ports = c.ports(force.policy)
	state, err := openState(c.StateDir, log)
	if err != nil {
		return err
	}
	out, err := c.exportFlags.start(log)
	if err != nil {
		return err
	}
	w, err := live.Start(live.Options{
		Probes: probes, Core: agent.Config{Policy: force.policy, MaxHistory: historyBytes, Heard: out.heard()},
		Restore: state.earlier(), Acted: out.acted(logAction(log)),
		NoTLS: c.NoTLS,
	})
	if err != nil {
		return err
	}
	if err := force.start(w); err != nil {
		return errors.Join(err, w.Close())
	}
	log.Info("Attached")
	defer func() {
		err = errors.Join(err, force.tell(log))
		seen := w.Totals()
		err = errors.Join(err, state.save(w.Save), force.limiter.Close(), w.Close())
		log.Info("Detached", "connections", seen.Connections, "messages", seen.Messages, "lost", seen.Lost)
	}()
	ctx, cancel := context.WithCancel(env.ctx)
	kept := state.keep(ctx, w.Save)
	err = c.serve(env.ctx, log, listeners, &force, there, file, out)
	cancel()
	<-kept
	return err
}

// serve reads and answers until ctx is done or one of both fails.
func (c *agentCommand) serve(ctx context.Context, log *slog.Logger, listeners []net.Listener, force *inForce, there map[string]bool, file *reload.File, out *exports) error {
	w := force.watch
	private := newStatus(w)
	take := func() (exporter.Sample, error) {
		told := force.tell(log) // before the core is asked
		s, err := sample(w)
		s.Policy = policySample(file)
		out.sample(&s)
		private.sample(&s)
		return s, errors.Join(told, err, force.sample(&s))
	}
	tasks, ctx := errgroup.WithContext(ctx)
	shown := web.Options{
		Metrics:    exporter.NewHandler(exporter.NewRegistry(exporter.NewCollector(take, there)), log),
		Ready:      func() error { return ready(ctx, w) },
		ConfigFile: c.Web.ConfigFile,
		Private:    private,
		Log:        log,
	}
	if file != nil {
		shown.Reload = file.Reload
		tasks.Go(func() error { return file.Watch(ctx) })
	}
	tasks.Go(func() error { return w.Run(ctx) })
	out.run(ctx, tasks, w)
	tasks.Go(func() error { return web.Serve(ctx, listeners, shown) })
	tasks.Go(func() error {
		force.recount(ctx, log)
		return nil
	})
	tasks.Go(func() error {
		logLosses(ctx, log, take)
		return nil
	})
	tasks.Go(func() error {
		<-ctx.Done()
		log.Info("Stopping", "reason", context.Cause(ctx))
		return nil
	})
	return tasks.Wait()
}

// ready says what keeps the agent from seeing all connections.
func ready(ctx context.Context, w *live.Watch) error {
	if ctx.Err() != nil {
		return fmt.Errorf("it is stopping: %w", context.Cause(ctx))
	}
	hooks, err := w.Probes().Hooks()
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if !h.Attached {
			return fmt.Errorf("somebody has detached its program %s; restart it", h.Program)
		}
	}
	if !w.Scanned() {
		return errors.New("the connections that are older than the agent are not known yet")
	}
	return nil
}

func (c *agentCommand) logger(w io.Writer) (*slog.Logger, error) {
	level, format := promslog.NewLevel(), promslog.NewFormat()
	if err := errors.Join(level.Set(c.Log.Level), format.Set(c.Log.Format)); err != nil {
		return nil, fmt.Errorf("set up the log: %w", err)
	}
	return promslog.New(&promslog.Config{Level: level, Format: format, Writer: w}), nil
}

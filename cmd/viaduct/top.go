// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/viaduct-project/viaduct/agent"
	"github.com/viaduct-project/viaduct/internal/live"
	"github.com/viaduct-project/viaduct/internal/top"
)

type topCommand struct {
	Agent string `help:"The URL of a running agent, as in http://127.0.0.1:19060. Without it the command watches by itself, which needs root." placeholder:"URL"`
	probeFlags
}

func (c *topCommand) Run(env *environment) error {
	probes, err := c.options()
	if err != nil {
		return err
	}
	if out, ok := env.stdout.(*os.File); !ok || !term.IsTerminal(int(out.Fd())) {
		return errors.New("top draws on a terminal, and there is none: use viaduct audit, or the agent's API")
	}
	if c.Agent != "" {
		from, err := top.NewAgent(c.Agent)
		if err != nil {
			return fmt.Errorf("--agent: %w", err)
		}
		return top.Run(env.ctx, from)
	}
	return c.watch(env.ctx, live.Options{Probes: probes, Core: agent.Config{MaxHistory: historyBytes}})
}

// watch shows what probes of its own see, until the user quits.
func (c *topCommand) watch(ctx context.Context, o live.Options) (err error) {
	w, err := live.Start(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error { return w.Run(ctx) })
	tasks.Go(func() error {
		defer cancel()
		return top.Run(ctx, top.Here{View: w.View()})
	})
	return tasks.Wait()
}

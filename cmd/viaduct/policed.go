// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/policyfile"
	"github.com/viaduct-project/viaduct/internal/reload"
)

// policyFlag is shared by the commands that follow a policy.
type policyFlag struct {
	Policy string `help:"The policy: what is expected of each peer's connections. Without it everything is observed." placeholder:"FILE"`
}

// once reads the policy for a command that ends.
func (f policyFlag) once() (*policy.Policy, error) {
	if f.Policy == "" {
		return policyfile.Default(), nil
	}
	p, _, err := readPolicy(f.Policy)
	return p, err
}

// ports are those that the flags name, or the policy.
func (f probeFlags) ports(p *policy.Policy) []uint16 {
	if len(f.Port) > 0 {
		return f.Port
	}
	return p.Ports
}

// keep reads the policy for a command that goes on: use gets it, and each that
// takes its place later, and says why it cannot be put in force. There is no
// file if there is no policy.
func (f policyFlag) keep(log *slog.Logger, use func(*policy.Policy) error) (*reload.File, error) {
	if f.Policy == "" {
		return nil, use(policyfile.Default())
	}
	file, err := reload.Open(f.Policy, log, func(text []byte) error {
		p, warnings, err := parsePolicy(f.Policy, text)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			log.Warn("The policy is used, but may not mean what it says", "warning", w.Error())
		}
		return use(p)
	})
	if err != nil {
		return nil, fmt.Errorf("--policy: %w", err)
	}
	return file, nil
}

// logAction writes a line for each action that it is told of.
func logAction(log *slog.Logger) func(report.Action) {
	return func(a report.Action) {
		level := slog.LevelInfo
		if a.Outcome == "failed" {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "Acted", "action", a.Action, "mode", a.Mode, "local", a.Local, "remote", a.Remote, "outcome", a.Outcome, "reason", a.Reason)
	}
}

// watched is p for a command that only looks: what would be enforced is shown.
func watched(p *policy.Policy) *policy.Policy {
	looking := *p
	looking.Peers = slices.Clone(p.Peers)
	for i := range looking.Peers {
		looking.Peers[i].Enforce = min(looking.Peers[i].Enforce, policy.DryRun)
	}
	looking.Fallback.Enforce = min(looking.Fallback.Enforce, policy.DryRun)
	looking.Compile()
	return &looking
}

func policySample(file *reload.File) exporter.Policy {
	if file == nil {
		return exporter.Policy{}
	}
	s := file.Stats()
	return exporter.Policy{Succeeded: s.Succeeded, Failed: s.Failed, Loaded: float64(s.Loaded.UnixMilli()) / 1000}
}

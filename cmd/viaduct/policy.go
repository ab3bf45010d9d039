// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/limit"
	"github.com/viaduct-project/viaduct/internal/policyfile"
)

type policyCommand struct {
	Check   policyCheck   `cmd:"" help:"Say whether a policy file is right, and where it is not."`
	Explain policyExplain `cmd:"" help:"Say which row of a policy a connection belongs to, and why."`
}

type policyCheck struct {
	File string `arg:"" help:"The policy file."`
}

func (c policyCheck) Run(env *environment) error {
	p, warnings, err := readPolicy(c.File)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(env.stderr, "%v (warning)\n", w)
	}
	modes := make(map[policy.Mode]int)
	for i := range p.Peers {
		modes[p.Peers[i].Enforce]++
	}
	_, err = fmt.Fprintf(env.stdout, "%s is right: %d peers (%d observe, %d dry-run, %d enforce), all others: %s\n", c.File, len(p.Peers),
		modes[policy.Observe], modes[policy.DryRun], modes[policy.Enforce], p.Fallback.Enforce)
	return err
}

type policyExplain struct {
	File      string `arg:"" help:"The policy file."`
	Remote    string `required:"" help:"The remote end of the connection, ADDRESS:PORT or ADDRESS." placeholder:"ADDRESS:PORT"`
	Local     string `help:"The local end." placeholder:"ADDRESS:PORT"`
	Transport string `help:"${enum}." enum:"tcp,tls,udp,ws,wss" default:"tcp"`
	Initiator string `help:"Who opened it: ${enum}." enum:"local,remote,unknown" default:"unknown"`
	Process   string `help:"Name of the local process." placeholder:"NAME"`
	Pod       string `help:"Uid or name of its pod, or NAMESPACE/NAME." placeholder:"POD"`
	Container string `help:"Id or name of its container." placeholder:"CONTAINER"`
	SentBy    string `name:"sent-by" help:"Host in the Via of the peer's requests." placeholder:"HOST"`
}

func (c policyExplain) Run(env *environment) error {
	p, _, err := readPolicy(c.File)
	if err != nil {
		return err
	}
	s, local, remote, err := c.subject()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	for _, r := range p.Explain(s) {
		verdict := "no"
		if r.Matches {
			verdict = "MATCH"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", verdict, r.Peer, r.Why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(env.stdout)
	for _, setting := range policyfile.Settings(p.Of(s)) {
		fmt.Fprintf(t, "%s\t%s\n", setting.Key, setting.Value)
	}
	if s.Initiator != "local" {
		fmt.Fprintf(t, "limited in\t%s\n", limit.Explain(p, s, local, false))
	}
	if s.Initiator != "remote" {
		fmt.Fprintf(t, "limited out\t%s\n", limit.Explain(p, s, remote, true))
	}
	return t.Flush()
}

// subject is the connection that the flags describe, with its ports; 0: not known.
func (c policyExplain) subject() (s *policy.Subject, localPort, remotePort uint16, err error) {
	s = &policy.Subject{Transport: c.Transport, Process: c.Process, Pod: podCalled(c.Pod), Container: called(c.Container), SentBy: c.SentBy}
	remote, err := endpoint("--remote", c.Remote)
	if err != nil {
		return nil, 0, 0, err
	}
	s.Remote = remote.Addr()
	var local netip.AddrPort
	if c.Local != "" {
		if local, err = endpoint("--local", c.Local); err != nil {
			return nil, 0, 0, err
		}
	}
	if c.Initiator != "unknown" {
		s.Initiator = c.Initiator
	}
	s.Ports = policy.ServicePorts(c.Transport, s.Initiator, local.Port(), remote.Port())
	return s, local.Port(), remote.Port(), nil
}

// called is what the user calls something, if anything.
func called(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// podCalled knows that NAMESPACE/NAME tells the name, too.
func podCalled(name string) []string {
	if _, last, ok := strings.Cut(name, "/"); ok {
		return []string{last, name}
	}
	return called(name)
}

func endpoint(flag, text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, fmt.Errorf("%s %s: write 192.0.2.1:5060 or [2001:db8::1]:5060", flag, text)
	}
	return a, nil
}

func readPolicy(name string) (*policy.Policy, []*policyfile.Problem, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("read the policy: %w", err)
	}
	return parsePolicy(name, text)
}

// parsePolicy reads a policy, whose limits must be such that a SYN tells whom
// they are for. What is allowed, but perhaps not meant, comes beside it.
func parsePolicy(name string, text []byte) (*policy.Policy, []*policyfile.Problem, error) {
	f, err := policyfile.Read(name, text)
	if err != nil {
		return nil, nil, err
	}
	_, problems := limit.Compile(f.Policy)
	var wrong []error
	for _, problem := range problems {
		at := f.At(problem.Peer, problem.Error())
		if problem.Warn {
			f.Warnings = append(f.Warnings, at)
		} else {
			wrong = append(wrong, at)
		}
	}
	return f.Policy, f.Warnings, errors.Join(wrong...)
}

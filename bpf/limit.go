// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Limiter are the loaded and attached programs that limit connections. They
// work without [Probes], and not at all once Close was called or the process
// has ended. Its methods must not be called at the same time.
type Limiter struct {
	objects limitObjects
	hooks   []link.Link // of the cgroup, in the order of limitHooks
	states  []link.Link
}

// limitHooks are the places in the cgroup hierarchy.
var limitHooks = []struct {
	attach  ebpf.AttachType
	program func(*limitObjects) *ebpf.Program
}{
	{ebpf.AttachCGroupInetIngress, func(o *limitObjects) *ebpf.Program { return o.LimitPacketIn }},
	{ebpf.AttachCGroupInet4Connect, func(o *limitObjects) *ebpf.Program { return o.LimitConnectV4 }},
	{ebpf.AttachCGroupInet6Connect, func(o *limitObjects) *ebpf.Program { return o.LimitConnectV6 }},
}

// LoadLimiter loads and attaches the programs to a cgroup; "" is the root of the
// hierarchy, and the whole host. Call [Limiter.Recount] for the connections that
// are older.
func LoadLimiter(cgroup string, t *LimitTables) (_ *Limiter, err error) {
	if err := Preflight(); err != nil {
		return nil, err
	}
	if cgroup == "" {
		if cgroup, err = cgroupRoot(); err != nil {
			return nil, err
		}
	}
	l := new(Limiter)
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if err := loadLimits(&l.objects, t, nil); err != nil {
		return nil, err
	}
	// Connections are counted before they are limited.
	if l.states, err = attachLimitStates(&l.objects); err != nil {
		return nil, err
	}
	for _, hook := range limitHooks {
		h, err := link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: hook.attach, Program: hook.program(&l.objects)})
		if err != nil {
			return nil, fmt.Errorf("attach %v to cgroup %s: %w", hook.attach, cgroup, err)
		}
		l.hooks = append(l.hooks, h)
	}
	return l, nil
}

// attachLimitStates attaches both programs that look at TCP's states; with an
// error none is left attached.
func attachLimitStates(o *limitObjects) ([]link.Link, error) {
	var all []link.Link
	for _, p := range []*ebpf.Program{o.LimitTcpState, o.LimitTcpStateAgain} {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach the limiter to tp_btf/inet_sock_set_state: %w", err), detach(all))
		}
		all = append(all, l)
	}
	return all, nil
}

func detach(links []link.Link) error {
	var errs []error
	for _, l := range slices.Backward(links) {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// loadLimits loads the programs for tables; what older objects know of the host
// goes on being used.
func loadLimits(to *limitObjects, t *LimitTables, older *limitObjects) error {
	spec, err := loadLimit()
	if err != nil {
		return fmt.Errorf("read the embedded limiter: %w", err)
	}
	spec.Maps["limit_prefixes"].MaxEntries = uint32(max(1, len(t.Prefixes)))
	spec.Maps["limit_choices"].MaxEntries = uint32(max(1, len(t.Lines)*t.width()))
	spec.Maps["limit_rows"].MaxEntries = uint32(max(1, len(t.Rows)))
	spec.Maps["limit_refusals"].MaxEntries = uint32(max(1, len(t.Rows)*int(limitLimitDirectionLIMIT_DIRECTIONS)))
	if err := errors.Join(
		spec.Variables["limit_width"].Set(uint32(t.width())),
		spec.Variables["limit_sets_errno"].Set(b2u(setsErrno())),
	); err != nil {
		return fmt.Errorf("set the limiter's constants: %w", err)
	}
	var options ebpf.CollectionOptions
	if older != nil {
		options.MapReplacements = map[string]*ebpf.Map{
			"limit_buckets": older.LimitBuckets, "limit_half_opens": older.LimitHalfOpens,
			"limit_counts": older.LimitCounts, "limit_sockets": older.LimitSockets,
			"limit_counters": older.LimitCounters,
		}
	}
	if err := spec.LoadAndAssign(to, &options); err != nil {
		return fmt.Errorf("load the limiter: %w", explainLoad(err))
	}
	return fillLimits(to, t)
}

// setsErrno asks the kernel by a program of three lines: what package features
// makes of a helper that takes arguments is wrong on 7.3.
func setsErrno() bool {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSockAddr, AttachType: ebpf.AttachCGroupInet4Connect, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R1, -int32(unix.ECONNREFUSED)), asm.FnSetRetval.Call(),
			asm.Mov.Imm(asm.R0, 0), asm.Return(),
		},
	})
	if err != nil {
		return false
	}
	p.Close()
	return true
}

func fillLimits(o *limitObjects, t *LimitTables) error {
	var classes [1 << 16]uint8
	for port, class := range t.Ports {
		classes[port] = class
	}
	if err := o.LimitPorts.Set(classes); err != nil {
		return fmt.Errorf("set the limited ports: %w", err)
	}
	for i, row := range t.Rows {
		if err := o.LimitRows.Put(uint32(i), row.value()); err != nil {
			return fmt.Errorf("set row %d of the limits: %w", i, err)
		}
	}
	for i, place := range t.choices() {
		if err := o.LimitChoices.Put(uint32(i), place); err != nil {
			return fmt.Errorf("set choice %d of the limits: %w", i, err)
		}
	}
	for _, p := range t.Prefixes {
		if err := o.LimitPrefixes.Put(p.key(), uint32(p.Line)); err != nil {
			return fmt.Errorf("set prefix %v of the limits: %w", p.Prefix, err)
		}
	}
	return nil
}

// Replace puts other tables in force, without a moment in which nothing is
// limited, and returns the final refusals of the rows before. What is known of
// sources and sockets stays. With an error and no rows the old tables are still
// in force.
func (l *Limiter) Replace(t *LimitTables) (Refused, error) {
	var next limitObjects
	err := loadLimits(&next, t, &l.objects)
	if err == nil {
		err = l.change(&next)
	}
	if err != nil {
		return Refused{}, errors.Join(err, next.Close())
	}
	before := l.objects
	l.objects = next
	waitForRunning()
	last, err := refused(&before)
	return last, errors.Join(err, before.Close())
}

// change has the hooks run the next programs. For a moment those of both look at
// TCP's states: each socket is counted once, whoever comes first.
func (l *Limiter) change(next *limitObjects) error {
	states, err := attachLimitStates(next)
	if err != nil {
		return err
	}
	for i, hook := range limitHooks {
		if err := l.hooks[i].Update(hook.program(next)); err != nil {
			err = fmt.Errorf("replace the program of %v: %w", hook.attach, err)
			for j := range i {
				err = errors.Join(err, l.hooks[j].Update(limitHooks[j].program(&l.objects)))
			}
			return errors.Join(err, detach(states))
		}
	}
	before := l.states
	l.states = states
	return detach(before)
}

// Close detaches the programs and frees the maps: nothing is limited any more.
// It is safe to call twice.
func (l *Limiter) Close() error {
	err := errors.Join(detach(l.hooks), detach(l.states))
	l.hooks, l.states = nil, nil
	return errors.Join(err, l.objects.Close())
}

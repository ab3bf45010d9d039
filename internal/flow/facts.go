// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"strconv"

	"github.com/viaduct-project/viaduct/internal/event"
)

// listener is an address that something listens on.
type listener struct {
	over event.Transport
	addr netip.AddrPort
}

// host is what the host does besides its connections.
func (b *builder) host(st *Step) error {
	if st.Verb == "exit" {
		owner, err := process(st.Args, event.Process{Name: "proxy"})
		b.do(Action{Act: Exits, Owner: owner})
		return err
	}
	a := Action{Act: Listens, Over: event.TCP}
	if st.Args[0] == "udp" {
		a.Over = event.UDP
	}
	var err error
	if a.Addr, err = address(st.Args[1], 0); err != nil {
		return err
	}
	owner, key := holder, listener{a.Over, a.Addr}
	if st.Verb == "unlisten" {
		a.Act = Unlistens
		if known, ok := b.listeners[key]; ok {
			owner = known
		}
	}
	a.Owner, err = process(st.Args[2:], owner)
	b.listeners[key] = a.Owner
	b.do(a)
	return err
}

// address reads ADDRESS:PORT, or ADDRESS alone if port is not 0.
func address(text string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil && port != 0 && a.Zone() == "" {
		return netip.AddrPortFrom(a, port), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
		return a, fault("%q is no address: write 192.0.2.1:5060 or [2001:db8::1]:5060", text)
	}
	return a, nil
}

func process(args []string, or event.Process) (event.Process, error) {
	p := or
	if v, ok := option(args, "process"); ok {
		p.Name = v
	}
	if v, ok := option(args, "pid"); ok {
		n, err := strconv.ParseUint(v, 10, 22)
		if err != nil || n == 0 {
			return p, fault("pid=%s is not a process id", v)
		}
		p.PID = uint32(n)
	}
	return p, nil
}

// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// Options say what to watch. The zero value watches the default ports.
type Options struct {
	Ports     []uint16 // SIP is taken for granted here; default 5060 and 5061
	TLSPorts  []uint16 // of these, taken for TLS until a byte is seen; default 5061
	RingBytes int      // a power of two and a multiple of the page size; default 16 MiB
	Cgroup    string   // root of the cgroup v2 hierarchy; default: looked up in mountinfo
	Known     []uint64 // cookies of sockets that are known to carry SIP: the first scan tells of them on any port
}

func (o Options) withDefaults() Options {
	if o.Ports == nil {
		o.Ports = []uint16{5060, 5061}
	}
	if o.TLSPorts == nil {
		o.TLSPorts = []uint16{5061}
	}
	if o.RingBytes == 0 {
		o.RingBytes = largeRing
	}
	return o
}

// Probes are the loaded and attached programs. Close detaches them.
type Probes struct {
	objects programsObjects
	figures *ebpf.Memory // of the table that a scan fills
	links   []link.Link
	ring    *ringbuf.Reader
	decoder decoder
	scans   uint32
	ports   [8192]byte
	cgroup  string
	asked   asked
	writing writing
	wake    uint64
	others  func(raw []byte) error
}

// Load loads and attaches every program. An error that wraps [ErrUnsupported]
// means that this host cannot run viaduct, and says what is missing.
func Load(o Options) (_ *Probes, err error) {
	o = o.withDefaults()
	if err := Preflight(); err != nil {
		return nil, err
	}
	if o.Cgroup == "" {
		if o.Cgroup, err = cgroupRoot(); err != nil {
			return nil, err
		}
	}
	p := &Probes{decoder: newDecoder(o.TLSPorts), cgroup: o.Cgroup}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if err := p.load(o); err != nil {
		return nil, err
	}
	if p.figures, err = p.objects.Figures.Memory(); err != nil {
		return nil, fmt.Errorf("map what a scan writes: %w", err)
	}
	if err := p.attach(o.Cgroup); err != nil {
		return nil, err
	}
	p.ring, err = ringbuf.NewReader(p.objects.Records)
	if err != nil {
		return nil, fmt.Errorf("open the ring buffer: %w", err)
	}
	return p, nil
}

func (p *Probes) load(o Options) error {
	spec, err := loadPrograms()
	if err != nil {
		return fmt.Errorf("read the embedded programs: %w", err)
	}
	spec.Maps["records"].MaxEntries = uint32(o.RingBytes)
	knows := features.HaveProgramHelper(ebpf.CGroupSKB, asm.FnGetCurrentTaskBtf) == nil
	if err := spec.Variables["packet_knows_process"].Set(b2u(knows)); err != nil {
		return fmt.Errorf("set packet_knows_process: %w", err)
	}
	p.wake = wakeBytes(o.RingBytes)
	if err := spec.Variables["wake_bytes"].Set(p.wake); err != nil {
		return fmt.Errorf("set wake_bytes: %w", err)
	}
	spec.Maps["known_sip"].MaxEntries = uint32(max(1, len(o.Known)))
	if err := spec.LoadAndAssign(&p.objects, nil); err != nil {
		return fmt.Errorf("load the programs: %w", explainLoad(err))
	}
	for _, cookie := range o.Known {
		if err := p.objects.KnownSip.Put(cookie, uint8(1)); err != nil {
			return fmt.Errorf("note socket %d as known: %w", cookie, err)
		}
	}
	return p.SetPorts(o.Ports)
}

// A ring of largeRing takes what a host can send in the tenth of a second that
// passes at most between two looks of the reader; a smaller one has to wake it.
const largeRing = 16 << 20

func wakeBytes(ring int) uint64 {
	if ring >= largeRing {
		return 0
	}
	return uint64(min(ring/8, 256<<10))
}

// SetPorts replaces the ports on which SIP is taken for granted, for sockets
// that open from now on.
func (p *Probes) SetPorts(ports []uint16) error {
	p.ports = [8192]byte{}
	for _, port := range ports {
		p.ports[port>>3] |= 1 << (port & 7)
	}
	if err := p.objects.SipPorts.Set(p.ports); err != nil {
		return fmt.Errorf("set the SIP ports: %w", err)
	}
	return nil
}

// Cgroup is where the cgroup v2 hierarchy that is watched is mounted.
func (p *Probes) Cgroup() string { return p.cgroup }

// The packet programs come last: when they see a first packet, the life cycle
// of its socket is already being followed.
func (p *Probes) attach(cgroup string) error {
	state, err := link.AttachTracing(link.TracingOptions{Program: p.objects.TcpState})
	if err != nil {
		return fmt.Errorf("attach to tp_btf/inet_sock_set_state: %w", err)
	}
	p.links = append(p.links, state)
	for _, packet := range []struct {
		program *ebpf.Program
		attach  ebpf.AttachType
	}{{p.objects.PacketIn, ebpf.AttachCGroupInetIngress}, {p.objects.PacketOut, ebpf.AttachCGroupInetEgress}} {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: packet.attach, Program: packet.program})
		if err != nil {
			return fmt.Errorf("attach %v to cgroup %s: %w", packet.attach, cgroup, err)
		}
		p.links = append(p.links, l)
	}
	return nil
}

// Close detaches the programs and frees the maps. A blocked [Probes.Read]
// returns. It is safe to call twice.
func (p *Probes) Close() error {
	var errs []error
	if p.ring != nil {
		errs = append(errs, p.ring.Close())
	}
	for _, l := range slices.Backward(p.links) {
		errs = append(errs, l.Close())
	}
	p.links = nil
	return errors.Join(append(errs, p.objects.Close())...)
}

func b2u(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"

	"github.com/viaduct-project/viaduct/internal/event"
)

// State of a feature on this host.
type State string

const (
	There    State = "there"
	Degraded State = "degraded"
	Missing  State = "missing"
)

// Feature is something that viaduct does, and whether this host lets it.
type Feature struct {
	Name     string `json:"name"`
	State    State  `json:"state"`
	Required bool   `json:"required"` // without it nothing runs
	Why      string `json:"why"`      // what was found
	Do       string `json:"do"`       // what to do about it, "" if nothing
}

// Diagnose tries every feature for real: programs are loaded and attached and
// detached again, iterators are run. The order is that in which a reader can
// mend things.
func Diagnose() []Feature {
	all := []Feature{kernelFeature(), btfFeature(), privilegeFeature(), cgroupFeature()}
	all = append(all, programFeatures()...)
	all = append(all, ownersFeature(), datagramFeature(), limitsFeature(), jitFeature(), pidFeature())
	return all
}

func there(name, why string) Feature { return Feature{Name: name, State: There, Why: why} }

func kernelFeature() Feature {
	release := Release()
	if !belowFloor(release) {
		return there("kernel", release)
	}
	return Feature{
		Name: "kernel", State: Degraded, Why: fmt.Sprintf("%s is older than %d.%d", release, floorMajor, floorMinor),
		Do: fmt.Sprintf("run %d.%d or later; what a distribution has ported back may do, and the lines below say whether it does", floorMajor, floorMinor),
	}
}

func required(name string, err error, fine, do string) Feature {
	if err == nil {
		return Feature{Name: name, State: There, Required: true, Why: fine}
	}
	return Feature{Name: name, State: Missing, Required: true, Why: err.Error(), Do: do}
}

func btfFeature() Feature {
	return required("btf", checkBTF(), btfPath, "boot a kernel built with CONFIG_DEBUG_INFO_BTF and mount /sys")
}

func privilegeFeature() Feature {
	f := required("privilege", checkCapabilities(), strings.Join(needed(), ", ")+" held", "run as root, or give the process these capabilities")
	set, err := effective()
	if err != nil || f.State != There {
		return f
	}
	for _, c := range capabilities {
		if c.optional && !has(set, c.bit) {
			f.State = Degraded
			f.Why = fmt.Sprintf("%s not held: %s", c.name, c.use)
			f.Do = "add " + c.name + " if that is wanted"
		}
	}
	return f
}

func cgroupFeature() Feature {
	root, err := cgroupRoot()
	f := required("cgroup2", err, root, "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified")
	if err == nil && !wholeHost(root) {
		f.State = Degraded
		f.Why = root + " is a part of the hierarchy: sockets of other cgroups send and receive unseen"
		f.Do = "in a container mount the host's cgroup2 hierarchy, read-only"
	}
	return f
}

// programUses names each program for a reader.
var programUses = []struct{ feature, program, use string }{
	{"connections", "tcp_state", "tp_btf/inet_sock_set_state: opening, first FIN, end of every TCP connection"},
	{"messages-in", "packet_in", "cgroup_skb/ingress: SIP that arrives, over TCP and UDP"},
	{"messages-out", "packet_out", "cgroup_skb/egress: SIP that is sent"},
	{"holders", "scan_files", "iter/task_file: which process holds a socket; sockets older than viaduct"},
	{"recount", "scan_sockets", "iter/bpf_sk_storage_map: figures of open sockets, missed closes"},
}

// programFeatures loads each program on its own, so that one that is refused
// does not hide the others.
func programFeatures() []Feature {
	var all []Feature
	for _, use := range programUses {
		all = append(all, required(use.feature, loadAlone(use.program), use.use, "see the lines above; a kernel of 5.15 or later has it"))
	}
	return all
}

func loadAlone(program string) error {
	spec, err := loadPrograms()
	if err != nil {
		return err
	}
	for name := range spec.Programs {
		if name != program {
			delete(spec.Programs, name)
		}
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil && belowFloor(Release()) {
		return explainLoad(err)
	}
	if err != nil {
		return summary(err)
	}
	collection.Close()
	return nil
}

// summary shortens a verifier's log to its last line.
func summary(err error) error {
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) && len(verifier.Log) > 0 {
		return fmt.Errorf("%w: %s", verifier.Cause, verifier.Log[len(verifier.Log)-1])
	}
	return err
}

// ownersFeature runs the whole once: attached, scanned, detached.
func ownersFeature() Feature {
	sockets := 0
	p, err := Load(Options{RingBytes: 1 << 20})
	if err == nil {
		err = p.Scan(func(*event.Event) { sockets++ })
		err = errors.Join(err, p.Close())
	}
	return required("attach", err, fmt.Sprintf("all programs attached and detached again; %d SIP sockets found", sockets),
		"see the lines above; if all of them are there, another BPF program may hold the cgroup exclusively")
}

func datagramFeature() Feature {
	if features.HaveProgramHelper(ebpf.CGroupSKB, asm.FnGetCurrentTaskBtf) == nil {
		return there("datagram-sender", "the process behind a new UDP socket is known with its first datagram")
	}
	return Feature{
		Name: "datagram-sender", State: Degraded,
		Why: "the process behind a new UDP socket is known after the next scan, a second later; never, if it is gone by then",
		Do:  "a later kernel tells at once",
	}
}

// limitsFeature loads, attaches and detaches the limiter, with nothing to limit.
func limitsFeature() Feature {
	const name = "limits"
	l, err := LoadLimiter("", &LimitTables{})
	if err == nil {
		err = errors.Join(l.Recount(), l.Close())
	}
	switch {
	case err != nil:
		return Feature{
			Name: name, State: Missing, Why: summary(err).Error(),
			Do: "see the lines above; limits of a policy are not kept on this host",
		}
	case !setsErrno():
		return Feature{
			Name: name, State: Degraded, Why: "a connect() that is refused says EPERM, not ECONNREFUSED",
			Do: "a kernel of 5.18 or later says what programs expect",
		}
	}
	return there(name, "connections are limited at the SYN and at connect()")
}

func jitFeature() Feature {
	b, err := os.ReadFile("/proc/sys/net/core/bpf_jit_enable")
	if err != nil || strings.TrimSpace(string(b)) != "0" {
		return there("jit", "programs run as machine code")
	}
	return Feature{Name: "jit", State: Degraded, Why: "programs are interpreted: each packet costs several times more", Do: "sysctl net.core.bpf_jit_enable=1"}
}

// pidFeature: what the kernel says of processes is in the first pid namespace,
// whose inode number is fixed (PROC_PID_INIT_INO).
func pidFeature() Feature {
	const first = "pid:[4026531836]"
	switch ns, err := os.Readlink("/proc/self/ns/pid"); {
	case err != nil:
		return Feature{Name: "host-pids", State: Degraded, Why: err.Error(), Do: "mount /proc"}
	case ns != first:
		return Feature{
			Name: "host-pids", State: Degraded,
			Why: "this process is in a pid namespace of its own; the pids it reports are the host's",
			Do:  "in Kubernetes set hostPID: true",
		}
	}
	return there("host-pids", "reported pids are those that ps shows here")
}

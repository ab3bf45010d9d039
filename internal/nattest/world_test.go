// SPDX-License-Identifier: Apache-2.0

package nattest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

const (
	// remembers is how long the NAT knows an idle flow. Real ones know TCP for
	// minutes to hours and UDP for half a minute; what happens then is the same.
	remembers = 6 * time.Second
	// silence is when the call comes, since the telephone has registered.
	silence = 14 * time.Second
	// patience bounds what comes at once on an idle machine.
	patience = 30 * time.Second
)

// world is telephones, a NAT and a server, each of the three in a network
// namespace. Each telephone has an address, one at the NAT's outside, and one of
// the server that it registers with.
type world struct {
	*testing.T
	n      int
	phones []*phone
}

type phone struct {
	*world
	addr, outside, server netip.Addr
	user                  string
	ready                 time.Time // when it had registered
}

func (w *world) netns(part string) string { return fmt.Sprintf("viaduct-nat-%d%s", w.n, part) }

// newWorld makes world n, whose addresses no other has.
func newWorld(t *testing.T, n, phones int) *world {
	t.Helper()
	testutil.RequireRoot(t)
	host := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(64*n + i)}) }
	w := &world{T: t, n: n}
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), w.netns(".lock")), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil { // another run of these tests
		t.Fatal(err)
	}
	w.remove()
	t.Cleanup(func() {
		w.remove()
		lock.Close()
	})
	inside, nat, outside := w.netns("phone"), w.netns("nat"), w.netns("server")
	for _, name := range []string{inside, nat, outside} {
		testutil.IP(t, "", "netns", "add", name)
	}
	testutil.IP(t, "", "-n", inside, "link", "add", "sip0", "type", "veth", "peer", "name", "in0", "netns", nat)
	testutil.IP(t, "", "-n", outside, "link", "add", "sip0", "type", "veth", "peer", "name", "out0", "netns", nat)
	lines := map[string]string{
		inside:  "link set sip0 up\n",
		nat:     fmt.Sprintf("link set in0 up\nlink set out0 up\naddr add %s/27 dev in0\n", host(30)),
		outside: "link set sip0 up\n",
	}
	for i := range phones {
		p := &phone{w, host(1 + i), host(33 + i), host(48 + i), fmt.Sprintf("alice%d", i), time.Time{}}
		w.phones = append(w.phones, p)
		lines[inside] += fmt.Sprintf("addr add %s/27 dev sip0\n", p.addr)
		lines[nat] += fmt.Sprintf("addr add %s/27 dev out0\n", p.outside)
		lines[outside] += fmt.Sprintf("addr add %s/27 dev sip0\n", p.server)
	}
	// The server has no way to the telephones but the NAT's own addresses.
	for _, p := range w.phones { // programs that do not bind have their telephone's address, too
		lines[inside] += fmt.Sprintf("route add %s via %s src %s\n", p.server, host(30), p.addr)
	}
	lines[inside] += fmt.Sprintf("route add default via %s\n", host(30))
	for name, batch := range lines {
		testutil.IP(t, "link set lo up\n"+batch, "-n", name, "-batch", "-")
	}
	w.masquerade(nat)
	return w
}

// masquerade makes a NAT of a namespace, with an address outside for each
// telephone: what comes from outside and belongs to
// no flow that it remembers is lost without a word.
func (w *world) masquerade(nat string) {
	w.Helper()
	rules := ""
	for _, p := range w.phones {
		rules += fmt.Sprintf("ip saddr %s oifname \"out0\" snat to %s; ", p.addr, p.outside)
	}
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`
table ip nat {
	chain out { type nat hook postrouting priority 100; %s }
}
table ip filter {
	chain forward { type filter hook forward priority 0; policy drop; iifname "in0" accept; ct state established accept; }
	chain input { type filter hook input priority 0; policy drop; }
}`, rules))
	testutil.InNamespace(w.T, nat, func() {
		if out, err := cmd.CombinedOutput(); err != nil {
			w.Fatalf("nft: %v\n%s", err, out)
		}
		seconds := fmt.Sprint(int(remembers.Seconds()))
		for name, value := range map[string]string{
			"ipv4/ip_forward": "1",
			"netfilter/nf_conntrack_tcp_timeout_established": seconds,
			"netfilter/nf_conntrack_udp_timeout":             seconds,
			"netfilter/nf_conntrack_udp_timeout_stream":      seconds,
		} {
			if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
				w.Fatal(err)
			}
		}
	})
}

// remove takes away whatever of w is there. The links go with their ends.
func (w *world) remove() {
	for _, part := range []string{"phone", "nat", "server"} {
		if _, err := os.Stat("/run/netns/" + w.netns(part)); err == nil {
			exec.Command("ip", "netns", "del", w.netns(part)).Run()
		}
	}
}

// start runs a program in a part of the world, with a directory of its own.
func (w *world) start(part, dir, name string, args ...string) *testutil.Program {
	w.Helper()
	return testutil.Start(w, w.netns(part), command(dir, name, args...))
}

func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	return cmd
}

// files writes files into a new directory.
func (w *world) files(content map[string]string) (dir string) {
	w.Helper()
	dir = w.TempDir()
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return dir
}

// until waits for a condition, which says what is still wrong with it.
func (w *world) until(condition func() (wrong string)) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		wrong := condition()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("after %v still: %s", patience, wrong)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

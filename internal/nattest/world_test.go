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

// world is a telephone, a NAT and a server, each in a network namespace.
type world struct {
	*testing.T
	n             int
	phone, server netip.Addr
	outside       netip.Addr // the NAT's own, on the server's side
	ready         time.Time  // when the telephone had registered
}

func (w *world) netns(part string) string { return fmt.Sprintf("viaduct-nat-%d%s", w.n, part) }

// newWorld makes world n, whose addresses no other has.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	testutil.RequireRoot(t)
	host := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(8*n + i)}) }
	w := &world{T: t, n: n, phone: host(1), outside: host(5), server: host(6)}
	inside := host(2)
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
	phone, nat, server := w.netns("phone"), w.netns("nat"), w.netns("server")
	for _, name := range []string{phone, nat, server} {
		testutil.IP(t, "", "netns", "add", name)
	}
	testutil.IP(t, "", "-n", phone, "link", "add", "sip0", "type", "veth", "peer", "name", "in0", "netns", nat)
	testutil.IP(t, "", "-n", server, "link", "add", "sip0", "type", "veth", "peer", "name", "out0", "netns", nat)
	up := func(name string, lines ...string) {
		testutil.IP(t, "link set lo up\n"+strings.Join(lines, "\n")+"\n", "-n", name, "-batch", "-")
	}
	up(phone, "link set sip0 up", fmt.Sprintf("addr add %s/30 dev sip0", w.phone), fmt.Sprintf("route add default via %s", inside))
	up(nat, "link set in0 up", "link set out0 up", fmt.Sprintf("addr add %s/30 dev in0", inside), fmt.Sprintf("addr add %s/30 dev out0", w.outside))
	// The server has no way to the telephone but the NAT's own address.
	up(server, "link set sip0 up", fmt.Sprintf("addr add %s/30 dev sip0", w.server))
	w.masquerade(nat)
	return w
}

// masquerade makes a NAT of a namespace: what comes from outside and belongs to
// no flow that it remembers is lost without a word.
func (w *world) masquerade(nat string) {
	w.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(`
table ip nat {
	chain out { type nat hook postrouting priority 100; oifname "out0" masquerade; }
}
table ip filter {
	chain forward { type filter hook forward priority 0; policy drop; iifname "in0" accept; ct state established accept; }
	chain input { type filter hook input priority 0; policy drop; }
}`)
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
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	return testutil.Start(w, w.netns(part), cmd)
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

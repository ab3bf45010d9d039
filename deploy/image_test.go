// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 20 * time.Second

// eventually waits for a condition, and fails with what it last said.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = f(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// TestReproducible: the same commit gives the same images, to the byte.
func TestReproducible(t *testing.T) {
	requireRoot(t)
	const format = "{{.Id}} {{.Digest}}"
	inspect := func() (all []string) {
		for _, arch := range []string{"amd64", "arm64"} {
			all = append(all, run(t, "podman", "image", "inspect", "-f", format, imageName+arch))
			if got := run(t, "podman", "image", "inspect", "-f", "{{.Architecture}}", imageName+arch); got != arch {
				t.Errorf("the image for %s is for %s", arch, got)
			}
		}
		return all
	}
	run(t, "make", "-C", "..", "image")
	first := inspect()
	run(t, "podman", "rmi", "--force", imageName+"amd64", imageName+"arm64")
	if err := os.RemoveAll("../bin/linux-" + runtime.GOARCH); err != nil {
		t.Fatal(err)
	}
	run(t, "make", "-C", "..", "image")
	if second := inspect(); !slices.Equal(first, second) {
		t.Errorf("first %v, then %v", first, second)
	}
}

type connection struct {
	Local    string
	Peer     string // row of the policy
	Process  *struct{ Name string }
	Messages struct {
		Received int `json:"requests_received"`
	}
	Container *struct {
		ID, Name, Pod, Namespace string
	}
}

// rows are matched by what a container is called.
const rows = `
version: 1
peers:
- {name: by-pod, match: {pod: "voice/proxy-*"}}
- {name: by-name, match: {container: "viaduct-test-*"}}
`

// audit runs viaduct audit as the pod would for some seconds.
func (p *pod) audit(t *testing.T, flags ...string) []connection {
	t.Helper()
	var report struct{ Connections []connection }
	if err := os.WriteFile(filepath.Join(p.dirs["policy"], "rows.yaml"), []byte(rows), 0o644); err != nil {
		t.Fatal(err)
	}
	out := p.run(t, flags, "audit", "--for", "4s", "--format", "json", "--fail-on", "never", "--policy", "/etc/viaduct/policy/rows.yaml")
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	return report.Connections
}

// TestImage: the image, with exactly what the plain manifests give it, watches
// the host and another container, and names both.
func TestImage(t *testing.T) {
	requireRoot(t)
	p := asPod(t)
	name, id := startPeer(t)
	ours := play(t)
	// What the kubelet would write.
	link := filepath.Join(p.dirs["logs"], "proxy-0_voice_sip-"+id+".log")
	if err := os.Symlink("/var/log/pods/voice_proxy-0_x/sip/0.log", link); err != nil {
		t.Fatal(err)
	}
	find := func(all []connection, local string) *connection {
		t.Helper()
		i := slices.IndexFunc(all, func(c connection) bool { return c.Local == local && c.Messages.Received > 0 })
		if i < 0 {
			t.Fatalf("%s is not among %+v", local, all)
		}
		return &all[i]
	}
	all := p.audit(t)
	if c := find(all, "127.0.0.1:5070"); c.Process.Name != "peer" || c.Peer != "by-pod" || c.Container == nil ||
		c.Container.ID != id || c.Container.Name != "sip" || c.Container.Pod != "proxy-0" || c.Container.Namespace != "voice" {
		t.Errorf("in the container: %+v, %+v, row %s", c.Process, c.Container, c.Peer)
	}
	if c := find(all, ours); c.Process == nil || c.Container != nil || c.Peer != "other" {
		t.Errorf("on the host: %+v, %+v, row %s", c.Process, c.Container, c.Peer)
	}
	// Without the kubelet, by the runtime's files: runtimeDirs of the chart.
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	storage := "/var/lib/containers/storage/overlay-containers"
	c := find(p.audit(t, "--volume="+storage+":"+storage+":ro"), "127.0.0.1:5070")
	if c.Container == nil || c.Container.Name != name || c.Container.Pod != "" || c.Peer != "by-name" {
		t.Errorf("by the runtime: %+v, row %s", c.Container, c.Peer)
	}
}

// TestAgentInContainer: the daemon with the manifest's own arguments becomes
// ready, serves metrics, and keeps its state.
func TestAgentInContainer(t *testing.T) {
	requireRoot(t)
	p := asPod(t)
	name, _ := start(t, "agent", append(append(p.flags, imageName+runtime.GOARCH), p.args...)...)
	startPeer(t)
	pid := run(t, "podman", "inspect", "-f", "{{.State.Pid}}", name)
	eventually(t, func() error {
		if _, err := get(pid, "/-/ready"); err != nil {
			return err
		}
		page, err := get(pid, "/metrics")
		if err == nil && !seenMessages(page) {
			err = fmt.Errorf("no message is counted:\n%s", page)
		}
		return err
	})
	run(t, "podman", "stop", "--time", "10", name)
	if code := run(t, "podman", "inspect", "-f", "{{.State.ExitCode}}", name); code != "0" {
		t.Errorf("exit code %s", code)
	}
	if _, err := os.Stat(filepath.Join(p.dirs["state"], "state.json")); err != nil {
		t.Error(err)
	}
}

// TestDoctorInContainer: nothing that viaduct needs is missing there.
func TestDoctorInContainer(t *testing.T) {
	requireRoot(t)
	out := asPod(t).run(t, nil, "doctor", "--format", "json")
	var features []struct {
		Name, State, Why string
		Required         bool
	}
	if err := json.Unmarshal([]byte(out), &features); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range features {
		t.Logf("%+v", f)
		if f.Required && f.State != "there" {
			t.Errorf("%s is %s: %s", f.Name, f.State, f.Why)
		}
	}
}

func seenMessages(page string) bool {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "viaduct_messages_total{") && strings.Contains(line, `method="OPTIONS"`) && !strings.HasSuffix(line, " 0\n") {
			return true
		}
	}
	return false
}

// get asks the agent in the network namespace of a process.
func get(pid, path string) (text string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		text, err = getHere(pid, path)
	}()
	<-done
	return text, err
}

func getHere(pid, path string) (string, error) {
	ns, err := os.Open("/proc/" + pid + "/ns/net")
	if err != nil {
		return "", err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return "", err
	}
	conn, err := net.Dial("tcp", "127.0.0.1:19060")
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{Dial: func(string, string) (net.Conn, error) { return conn, nil }}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://127.0.0.1:19060" + path)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, r.Status, b)
	}
	return string(b), err
}

// play carries a request a tenth of a second over loopback until the test ends,
// and returns the address that receives them.
func play(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	go io.Copy(io.Discard, server)
	done := make(chan struct{})
	t.Cleanup(func() { close(done); client.Close(); server.Close() })
	go func() {
		for n := 0; ; n++ {
			fmt.Fprintf(client, "MESSAGE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK%d\r\nFrom: <sip:a@example.com>;tag=a\r\n"+
				"To: <sip:b@example.com>\r\nCall-ID: %d@example.com\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n", n, n)
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return server.LocalAddr().String()
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("VIADUCT_STRICT") == "1" {
		t.Fatal("needs root, and VIADUCT_STRICT=1 allows no skip")
	}
	t.Skip("needs root")
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// neighbouring makes a network namespace that is joined to this one, and
// returns its name and the address of this end.
func neighbouring(t *testing.T) (name, here string) {
	t.Helper()
	name = fmt.Sprintf("viaduct-access-%d", os.Getpid())
	link := fmt.Sprintf("vac%d", os.Getpid()%1_000_000)
	_ = exec.Command("ip", "netns", "del", name).Run() // of a test that was killed
	testutil.IP(t, "", "netns", "add", name)
	t.Cleanup(func() { testutil.IP(t, "", "netns", "del", name) })
	testutil.IP(t, "", "link", "add", link, "type", "veth", "peer", "name", "up0", "netns", name)
	t.Cleanup(func() { testutil.IP(t, "", "link", "del", link) }) // it would outlive the namespace for a moment
	testutil.IP(t, "", "addr", "add", "192.0.2.241/30", "dev", link)
	testutil.IP(t, "", "link", "set", link, "up")
	testutil.IP(t, "", "-n", name, "addr", "add", "192.0.2.242/30", "dev", "up0")
	testutil.IP(t, "", "-n", name, "link", "set", "up0", "up")
	return name, "192.0.2.241"
}

// asked sends one request over the connection and returns the status.
func asked(t *testing.T, conn net.Conn, method, host, path string, header ...string) int {
	t.Helper()
	defer conn.Close()
	r := got(http.NewRequest(method, "http://"+host+path, nil)).orFail(t)
	r.Close = true
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	w := got(http.ReadResponse(bufio.NewReader(conn), r)).orFail(t)
	w.Body.Close()
	return w.StatusCode
}

// TestAccess: an agent that is open to the network shows it no address and no
// call, whatever it is told.
func TestAccess(t *testing.T) {
	testutil.RequireRoot(t)
	namespace, here := neighbouring(t)
	a, _ := startProcess(t, "--web.listen-address", "[::]:0")
	var port string
	until(t, func() string {
		if open := regexp.MustCompile(`address=\[::\]:(\d+)`).FindStringSubmatch(a.log.String()); open != nil {
			port = open[1]
			return ""
		}
		return "the agent does not listen on all addresses"
	})
	from := map[string]func() net.Conn{
		"the network": func() (c net.Conn) {
			testutil.InNamespace(t, namespace, func() { c = got(net.Dial("tcp4", net.JoinHostPort(here, port))).orFail(t) })
			return c
		},
		"this host": func() net.Conn { return got(net.Dial("tcp4", net.JoinHostPort("127.0.0.1", port))).orFail(t) },
	}
	local := "localhost:" + port
	for _, tt := range []struct {
		from, method, host, path string
		header                   []string
		status                   int
	}{
		{"the network", "GET", here, "/metrics", nil, 200},
		{"the network", "GET", here, "/-/healthy", nil, 200},
		{"the network", "GET", here, "/-/ready", nil, 200},
		{"the network", "GET", here, "/", nil, 403},
		{"the network", "GET", here, "/api/v1/report", nil, 403},
		{"the network", "GET", here, "/api/v1/stream", nil, 403},
		{"the network", "POST", here, "/-/reload", nil, 403},
		{"the network", "GET", local, "/api/v1/report", nil, 403},
		{"the network", "GET", local, "/api/v1/report", []string{"X-Forwarded-For", "127.0.0.1"}, 403},
		{"this host", "GET", local, "/metrics", nil, 200},
		{"this host", "GET", local, "/", nil, 200},
		{"this host", "GET", local, "/api/v1/report", nil, 200},
		{"this host", "POST", local, "/-/reload", nil, 409}, // has no policy to read
		{"this host", "GET", "trick.example.com:" + port, "/api/v1/report", nil, 403},
		{"this host", "GET", local, "/api/v1/report", []string{"X-Forwarded-For", "192.0.2.242"}, 403},
		{"this host", "POST", local, "/-/reload", []string{"Origin", "https://example.com"}, 403},
	} {
		if got := asked(t, from[tt.from](), tt.method, tt.host, tt.path, tt.header...); got != tt.status {
			t.Errorf("from %s, as %s %q: %s %s: %d, want %d", tt.from, tt.host, tt.header, tt.method, tt.path, got, tt.status)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/testutil/tlspeer"
)

const (
	tlsAddress = "127.77.0.3"
	tlsPort    = "5061"
	// tlsLook is how long a viaduct that has been started has to find the server,
	// and then the client by its first connection.
	tlsLook = 2 * time.Second
)

// tlsWays are what is compared: in turn, so that what else the host does meets
// all of them.
var tlsWays = [...][]string{nil, {"--no-tls"}, {}}

const (
	without = iota // no viaduct
	blind          // --no-tls
	reading
)

// tlsLoad is a client and a server, and what they do.
type tlsLoad struct {
	tlsPeers
	dir              string
	certificate, key string
	workers, each    int // connections, exchanges on each
	wait             time.Duration
}

func (l *tlsLoad) exchanges() int { return l.workers * l.each }

// tlsRun is what one run came to.
type tlsRun struct {
	rate  float64       // exchanges a second
	peers time.Duration // CPU of those whose library is measured
	agent time.Duration // CPU of viaduct, beyond what it takes to start
}

// tlsRuns are the runs of each way.
type tlsRuns [len(tlsWays)][]tlsRun

func (r *tlsRuns) median(way int, of func(tlsRun) float64) float64 {
	var all []float64
	for _, run := range r[way] {
		all = append(all, of(run))
	}
	return median(all)
}

func (r *tlsRuns) rate(way int) float64 {
	return r.median(way, func(t tlsRun) float64 { return t.rate })
}

// tlsSaturated has as many connections at work as go.
func tlsSaturated(viaduct string, of tlsPeers) error {
	return tlsCompare("saturated", viaduct, &tlsLoad{tlsPeers: of, workers: 8, each: 1000})
}

// tlsOffered has the load of a server that is not at its limit.
func tlsOffered(viaduct string, of tlsPeers) error {
	return tlsCompare("each 10 ms quiet after a response", viaduct, &tlsLoad{tlsPeers: of, workers: 8, each: 250, wait: 10 * time.Millisecond})
}

// tlsCompare plays each way in turn, so many rounds.
func tlsCompare(what, viaduct string, l *tlsLoad) (err error) {
	if l.dir, err = os.MkdirTemp("", "viaduct-benchmark"); err != nil {
		return err
	}
	defer os.RemoveAll(l.dir)
	if err := l.build(l.dir); err != nil {
		return err
	}
	if l.certificate, l.key, err = tlspeer.WriteCertificate(l.dir); err != nil {
		return err
	}
	var runs tlsRuns
	for range rounds {
		for way := range tlsWays {
			run, err := l.run(viaduct, way)
			if err != nil {
				return err
			}
			runs[way] = append(runs[way], run)
		}
	}
	l.print(what, &runs)
	return nil
}

func (l *tlsLoad) print(what string, runs *tlsRuns) {
	what = fmt.Sprintf("TLS of %s, %d connections, %s: ", l.name, l.workers, what)
	off := runs.rate(without)
	less := func(way int) float64 { return (1 - runs.rate(way)/off) * 100 }
	if !l.clientOnly { // else the server's library would be in it
		row(what+"message rate", fmt.Sprintf("%.0f a second without viaduct; %.1f %% lower with --no-tls, %.1f %% lower with plaintext", 2*off, less(blind), less(reading)), "")
	}
	micros := func(way int, of func(tlsRun) time.Duration) float64 { // microseconds of an exchange
		return runs.median(way, func(t tlsRun) float64 { return float64(of(t)) / 1e3 / float64(l.exchanges()) })
	}
	peers := func(t tlsRun) time.Duration { return t.peers }
	agent := func(t tlsRun) time.Duration { return t.agent }
	dearer := micros(reading, peers) - micros(blind, peers)
	row(what+"CPU of "+l.whose, fmt.Sprintf("%.1f µs without viaduct, %.1f µs with --no-tls, %.1f µs with plaintext",
		micros(without, peers)/2, micros(blind, peers)/2, micros(reading, peers)/2), "")
	row(what+"CPU that plaintext takes in "+l.unit, fmt.Sprintf("%.1f µs", dearer/float64(l.units)), "")
	row(what+"agent CPU for one message, read at both ends", fmt.Sprintf("%.1f µs with --no-tls, %.1f µs with plaintext", micros(blind, agent)/2, micros(reading, agent)/2), "")
}

// tlsRing holds all of a saturated run: then programs say more than the agent
// can take in the meantime.
const tlsRing = "134217728"

// run plays the load once. Before the load there is a pause for viaduct to find
// the two processes, in all ways.
func (l *tlsLoad) run(viaduct string, way int) (run tlsRun, err error) {
	server := l.server(l)
	server.Stderr = os.Stderr
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := server.StdoutPipe()
	if err != nil {
		return run, err
	}
	if err := server.Start(); err != nil {
		return run, err
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "ready\n" {
		return run, fmt.Errorf("the TLS server said %q: %w", line, err)
	}
	if way == without {
		err = l.exchange(server.Process.Pid, &run)
		return run, err
	}
	output := filepath.Join(l.dir, "report.json")
	audit := exec.Command(viaduct, append([]string{"audit", "--format", "json", "--fail-on", "never", "--output", output, "--ring-size", tlsRing}, tlsWays[way]...)...)
	audit.Stderr = os.Stderr
	audit.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := audit.Start(); err != nil {
		return run, err
	}
	time.Sleep(tlsLook) // loads, attaches, scans
	before, beforeErr := cpuOf(audit.Process.Pid)
	err = l.exchange(server.Process.Pid, &run)
	after, afterErr := cpuOf(audit.Process.Pid)
	_, stopErr := watcher{audit}.stop()
	run.agent = after - before
	if err := errors.Join(err, beforeErr, afterErr, stopErr); err != nil {
		return run, err
	}
	if way == reading {
		err = l.check(output)
	}
	return run, err
}

// exchange runs the client.
func (l *tlsLoad) exchange(server int, run *tlsRun) error {
	before, err := cpuOf(server)
	if err != nil {
		return err
	}
	client := l.client(l)
	client.Stderr = os.Stderr
	out, err := client.output()
	if err != nil {
		return fmt.Errorf("the TLS client: %w", err)
	}
	after, err := cpuOf(server)
	if err != nil {
		return err
	}
	run.peers = client.ProcessState.UserTime() + client.ProcessState.SystemTime()
	if !l.clientOnly {
		run.peers += after - before
	}
	var n int
	var seconds float64
	if _, err := fmt.Sscanf(out, "%d exchanged in %f s", &n, &seconds); err != nil || n != l.exchanges() {
		return fmt.Errorf("the TLS client said %q, want %d exchanged", out, l.exchanges())
	}
	run.rate = float64(n) / seconds
	return nil
}

// check wants every message to have been seen, at both ends.
func (l *tlsLoad) check(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var r report.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	seen := 0
	for i := range r.Connections {
		if c := &r.Connections[i]; strings.HasPrefix(c.Local, tlsAddress+":") || strings.HasPrefix(c.Remote, tlsAddress+":") {
			m := &c.Messages
			seen += int(m.RequestsSent + m.RequestsReceived + m.ResponsesSent + m.ResponsesReceived)
		}
	}
	if want := 4 * l.exchanges(); seen != want {
		return fmt.Errorf("viaduct has read %d messages inside TLS, want %d", seen, want)
	}
	return nil
}

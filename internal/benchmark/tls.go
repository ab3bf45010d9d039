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
	// callsPerExchange are a request and its response: at each end one SSL_write,
	// one SSL_read that finds nothing yet, and one that finds it.
	callsPerExchange = 6
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

// tlsLoad is a client and what it does.
type tlsLoad struct {
	dir, program     string
	certificate, key string
	switches         []string
	exchanges        int
}

// tlsCalls has one connection send a request as soon as the one before was
// answered: what this takes longer is what the calls of the library cost.
func tlsCalls(viaduct string) error {
	const n = 8000
	rates, _, err := tlsCompare(viaduct, n, "connections=1", "workers=1", "size=400", fmt.Sprint("messages=", n))
	if err != nil {
		return err
	}
	each := func(way int) float64 { return 1e6 / median(rates[way]) } // microseconds of an exchange
	slower := each(reading) - each(blind)
	row("TLS, one connection: a call of libssl takes longer, if its plaintext is read, by", fmt.Sprintf("%.1f µs", slower/callsPerExchange), "")
	row("TLS, one connection: a message, written and read on this host, takes longer by", fmt.Sprintf("%.1f µs (%.0f µs without viaduct)", slower/2, each(without)/2), "")
	return nil
}

// tlsSaturated has as many connections at work as go.
func tlsSaturated(viaduct string) error {
	const workers, each = 8, 1000
	return tlsLoaded("saturated", viaduct, workers, each)
}

// tlsOffered has the load of a server that is not at its limit.
func tlsOffered(viaduct string) error {
	const workers, each = 8, 250
	return tlsLoaded("each 10 ms quiet after a response", viaduct, workers, each, "wait=10")
}

func tlsLoaded(what, viaduct string, workers, each int, more ...string) error {
	switches := append([]string{fmt.Sprint("connections=", workers), fmt.Sprint("workers=", workers), "size=400", fmt.Sprint("messages=", each)}, more...)
	rates, cpu, err := tlsCompare(viaduct, workers*each, switches...)
	if err != nil {
		return err
	}
	what = fmt.Sprintf("TLS, %d connections, %s: ", workers, what)
	row(what+"message rate", tlsRates(rates), "")
	row(what+"agent CPU for one SIP message, read at both ends", tlsAgent(cpu, workers*each), "")
	return nil
}

func tlsRates(rates [3][]float64) string {
	off := median(rates[without])
	less := func(way int) float64 { return (1 - median(rates[way])/off) * 100 }
	return fmt.Sprintf("%.0f messages a second without viaduct, %.1f %% less with --no-tls, %.1f %% less with plaintext", 2*off, less(blind), less(reading))
}

func tlsAgent(cpu [3][]float64, exchanges int) string {
	each := func(way int) float64 { return median(cpu[way]) * 1e6 / float64(2*exchanges) }
	return fmt.Sprintf("%.1f µs with --no-tls, %.1f µs with plaintext", each(blind), each(reading))
}

// tlsCompare returns exchanges a second, and seconds of viaduct's CPU beyond what
// it takes to start, of each round and way.
func tlsCompare(viaduct string, exchanges int, switches ...string) (rates, cpu [3][]float64, err error) {
	dir, err := os.MkdirTemp("", "viaduct-benchmark")
	if err != nil {
		return rates, cpu, err
	}
	defer os.RemoveAll(dir)
	l := tlsLoad{dir: dir, switches: switches, exchanges: exchanges}
	if l.program, err = tlspeer.Compile(dir); err != nil {
		return rates, cpu, err
	}
	if l.certificate, l.key, err = tlspeer.WriteCertificate(dir); err != nil {
		return rates, cpu, err
	}
	for range rounds {
		for way := range tlsWays {
			rate, took, err := l.run(viaduct, way)
			if err != nil {
				return rates, cpu, err
			}
			rates[way], cpu[way] = append(rates[way], rate), append(cpu[way], took.Seconds())
		}
	}
	return rates, cpu, nil
}

// run plays the load once. Before the load there is a pause for viaduct to find
// the two processes, in all ways.
func (l *tlsLoad) run(viaduct string, way int) (rate float64, cpu time.Duration, err error) {
	server := exec.Command(l.program, "server", tlsAddress, tlsPort, l.certificate, l.key)
	server.Stderr = os.Stderr
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := server.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	if err := server.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || line != "ready\n" {
		return 0, 0, fmt.Errorf("the TLS server said %q: %w", line, err)
	}
	if way == without {
		rate, err = l.exchange()
		return rate, 0, err
	}
	output := filepath.Join(l.dir, "report.json")
	audit := exec.Command(viaduct, append([]string{"audit", "--format", "json", "--fail-on", "never", "--output", output}, tlsWays[way]...)...)
	audit.Stderr = os.Stderr
	audit.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := audit.Start(); err != nil {
		return 0, 0, err
	}
	time.Sleep(tlsLook) // loads, attaches, scans
	w := watcher{audit}
	before, err := w.used()
	if err == nil {
		rate, err = l.exchange()
	}
	after, usedErr := w.used()
	_, stopErr := w.stop()
	if err := errors.Join(err, usedErr, stopErr); err != nil {
		return 0, 0, err
	}
	if way == reading {
		err = l.check(output)
	}
	return rate, after - before, err
}

// exchange runs the client, and returns requests with their responses a second.
func (l *tlsLoad) exchange() (rate float64, err error) {
	client := exec.Command(l.program, append([]string{"client", tlsAddress, tlsPort, fmt.Sprint("scout=", tlsLook.Milliseconds())}, l.switches...)...)
	client.Stderr = os.Stderr
	out, err := client.Output()
	if err != nil {
		return 0, fmt.Errorf("the TLS client: %w", err)
	}
	var n int
	var seconds float64
	if _, err := fmt.Sscanf(string(out), "%d exchanged in %f s", &n, &seconds); err != nil || n != l.exchanges {
		return 0, fmt.Errorf("the TLS client said %q, want %d exchanged", out, l.exchanges)
	}
	return float64(n) / seconds, nil
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
	if want := 4 * l.exchanges; seen != want {
		return fmt.Errorf("viaduct has read %d messages inside TLS, want %d", seen, want)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	address    = "127.77.0.2"
	portOfUAS  = "5060"
	perCall    = 6 // INVITE, 100/180, 200, ACK, BYE, 200 as sipp's built-in scenarios play them
	rounds     = 5
	callsRaced = 50_000

	secondsTimed = 10
)

// sipOfLength is a request with as many bytes, most of them in a header field
// that nobody asks for.
func sipOfLength(n int) []byte {
	const head = "OPTIONS sip:server.example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/TCP client.example.com;branch=z9hG4bK-1\r\n" +
		"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:server.example.com>\r\n" +
		"Call-ID: benchmark@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\nX-Filler: "
	const tail = "\r\n\r\n"
	return []byte(head + strings.Repeat("f", n-len(head)-len(tail)) + tail)
}

// cpus is a list as taskset takes it: where a process may run.
type cpus string

const (
	anywhere cpus = ""
	first    cpus = "0"
	second   cpus = "1"
)

func (c cpus) command(name string, args ...string) *exec.Cmd {
	if c == anywhere {
		return exec.Command(name, args...)
	}
	return exec.Command("taskset", append([]string{"-c", string(c), name}, args...)...)
}

// answering starts sipp's built-in answerer and returns what stops it.
func answering(on cpus) (stop func(), err error) {
	uas := on.command("sipp", "-sn", "uas", "-t", "t1", "-i", address, "-p", portOfUAS, "-nostdin")
	uas.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := uas.Start(); err != nil {
		return nil, fmt.Errorf("start sipp: %w; scripts/setup.sh installs it", err)
	}
	if err := waitListening(uas.Process.Pid); err != nil {
		return nil, err
	}
	return func() {
		uas.Process.Kill()
		uas.Wait()
	}, nil
}

// waitListening looks for the answerer's listener in the kernel's table, where
// 127.77.0.2:5060 reads 02004D7F:13C4 and 0A is LISTEN.
func waitListening(pid int) error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		table, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/tcp")
		if err != nil {
			return err
		}
		for line := range bytes.Lines(table) {
			if f := bytes.Fields(line); len(f) > 3 && string(f[1]) == "02004D7F:13C4" && string(f[3]) == "0A" {
				return nil
			}
		}
	}
	return errors.New("sipp does not listen after 10 s")
}

// calling runs n calls, at most at the rate given, and returns how long it took.
func calling(on cpus, n, rate int) (time.Duration, error) {
	uac := on.command("sipp", "-sn", "uac", "-t", "t1", "-i", address, "-m", strconv.Itoa(n),
		"-r", strconv.Itoa(rate), "-l", "200", "-nostdin", address+":"+portOfUAS)
	var out bytes.Buffer
	uac.Stdout, uac.Stderr = &out, &out
	began := time.Now()
	if err := uac.Run(); err != nil {
		return 0, fmt.Errorf("sipp: %w: %s", err, out.Bytes()[max(0, out.Len()-2000):])
	}
	return time.Since(began), nil
}

// watcher is a running audit.
type watcher struct{ *exec.Cmd }

func startAudit(on cpus, viaduct string) (watcher, error) {
	audit := on.command(viaduct, "audit", "--format", "json", "--output", "/dev/null")
	audit.Stderr = os.Stderr
	audit.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := audit.Start(); err != nil {
		return watcher{}, err
	}
	time.Sleep(2 * time.Second) // loads, attaches, scans
	return watcher{audit}, nil
}

// cpuOf returns the CPU time that a process has taken so far.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	const utime, hertz = 11, 100 // fields behind the name; USER_HZ
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < utime+2 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, b)
	}
	user, userErr := strconv.Atoi(f[utime])
	system, systemErr := strconv.Atoi(f[utime+1])
	return time.Duration(user+system) * time.Second / hertz, errors.Join(userErr, systemErr)
}

// stop has the audit report and returns the CPU time that it took in all.
func (w watcher) stop() (time.Duration, error) {
	if err := w.Process.Signal(os.Interrupt); err != nil {
		return 0, err
	}
	if err := w.Wait(); err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	return w.ProcessState.UserTime() + w.ProcessState.SystemTime(), nil
}

// perMessage divides the CPU time of an audit by the messages of the calls that
// it watched, both ends of which are on this host. An audit that watched
// nothing for as long is taken off: its start is no cost of a message.
func perMessage(viaduct string, rate int) error {
	stop, err := answering(anywhere)
	if err != nil {
		return err
	}
	defer stop()
	calls := rate * secondsTimed
	var each []float64
	for range rounds {
		busy, took, err := watched(anywhere, viaduct, func() (time.Duration, error) { return calling(anywhere, calls, rate) })
		if err != nil {
			return err
		}
		idle, _, err := watched(anywhere, viaduct, func() (time.Duration, error) { time.Sleep(took); return took, nil })
		if err != nil {
			return err
		}
		each = append(each, float64(busy-idle)/1e3/float64(calls*perCall))
	}
	row(fmt.Sprintf("agent CPU for one SIP message, read at both ends, at %d calls a second", rate),
		fmt.Sprintf("%.1f µs", median(each)), "10 µs")
	return nil
}

func watched(on cpus, viaduct string, f func() (time.Duration, error)) (cpu, took time.Duration, err error) {
	w, err := startAudit(on, viaduct)
	if err != nil {
		return 0, 0, err
	}
	took, err = f()
	cpu, stopErr := w.stop()
	return cpu, took, errors.Join(err, stopErr)
}

// offeredRate has sipp call at a rate that it can keep, with and without an
// audit beside it, and compares what it reached.
func offeredRate(viaduct string, rate int) error {
	stop, err := answering(anywhere)
	if err != nil {
		return err
	}
	defer stop()
	play := func() (time.Duration, error) { return calling(anywhere, rate*secondsTimed, rate) }
	var slower []float64
	for range rounds {
		without, err := play()
		if err != nil {
			return err
		}
		_, with, err := watched(anywhere, viaduct, play)
		if err != nil {
			return err
		}
		slower = append(slower, (1-float64(without)/float64(with))*100)
	}
	row(fmt.Sprintf("sipp's TCP call rate, %d calls a second offered", rate),
		fmt.Sprintf("%.1f %% lower", median(slower)), "under 3 %")
	return nil
}

// callRate races sipp, as fast as it goes, with and without an audit beside it,
// in turn.
func callRate(what string, viaduct string, peers, agent cpus) error {
	stop, err := answering(peers)
	if err != nil {
		return err
	}
	defer stop()
	race := func() (time.Duration, error) { return calling(peers, callsRaced, 1_000_000) }
	var slower, alone []float64
	for range rounds {
		without, err := race()
		if err != nil {
			return err
		}
		_, with, err := watched(agent, viaduct, race)
		if err != nil {
			return err
		}
		slower = append(slower, (1-float64(without)/float64(with))*100)
		alone = append(alone, callsRaced/without.Seconds())
	}
	row("sipp's TCP call rate, "+what,
		fmt.Sprintf("%.1f %% lower (%.0f calls a second without)", median(slower), median(alone)), "under 3 %")
	return nil
}

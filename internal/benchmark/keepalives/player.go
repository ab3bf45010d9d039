// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// roles are what this program is when it is started by itself: the first
// argument says which. A player says ready, and plays until its input ends.
var roles map[string]func(args []string) error

func init() {
	roles = map[string]func([]string) error{
		"stream-peer": streamPeer, "stream-program": streamProgram,
		"flow-peer": flowPeer, "flow-program": flowProgram,
	}
}

// player is a process that plays a role.
type player struct {
	*exec.Cmd
	input  io.Closer // it plays until this is closed
	output *bufio.Reader
}

func startPlayer(args ...string) (*player, error) {
	p := &player{Cmd: exec.Command("/proc/self/exe", args...)}
	p.Stderr = os.Stderr
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	input, err := p.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.input, p.output = input, bufio.NewReader(output)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start a %s: %w", args[0], err)
	}
	return p, nil
}

// hears waits for a line.
func (p *player) hears(want string) error {
	line, err := p.output.ReadString('\n')
	if err != nil || line != want+"\n" {
		return fmt.Errorf("%s said %q, not %s: %w", p.Args[1], line, want, errors.Join(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// stop ends players, all of them before anybody can miss another.
func stop(all []*player) {
	for _, p := range all {
		p.Process.Signal(syscall.SIGSTOP)
	}
	for _, p := range all {
		p.Process.Kill()
		p.Wait()
	}
}

// ready says so, and waits until the input ends.
func ready() error {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// numbers reads arguments.
func numbers(args []string, into ...*int) error {
	if len(args) != len(into) {
		return fmt.Errorf("%d arguments, want %d", len(args), len(into))
	}
	for i, a := range args {
		n, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		*into[i] = n
	}
	return nil
}

// paced calls f n times, so many a second.
func paced(n, rate int, f func(i int) error) error {
	start := time.Now()
	for i := range n {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// register is the request by which a program offers keep-alives.
func register(transport, local, id string) []byte {
	return fmt.Appendf(nil, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s;keep\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:u%s@example.com>;tag=f%s\r\nTo: <sip:u%s@example.com>\r\nCall-ID: %s@example.com\r\n"+
		"CSeq: 1 REGISTER\r\nContact: <sip:u%s@%s>\r\nExpires: 7200\r\nContent-Length: 0\r\n\r\n",
		transport, local, id, id, id, id, id, id, local)
}

// SPDX-License-Identifier: Apache-2.0

package livetest

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// counterpart is the good peer of a program: it answers every ping and REGISTER,
// and agrees to keep-alives where they are offered. It keeps what came.
type counterpart struct {
	t       *testing.T
	seconds int // that it asks for in keep
	method  string

	mu      sync.Mutex
	conn    net.Conn // the newest
	opened  int
	ended   int
	pings   int
	lone    int               // CRLFs that are no ping
	came    map[string]string // status of the newest response, by Call-ID
	waiting chan struct{}     // of talk, for a response
}

func newCounterpart(t *testing.T, seconds int, method string) *counterpart {
	return &counterpart{t: t, seconds: seconds, method: method, came: make(map[string]string), waiting: make(chan struct{}, 1)}
}

// listen takes whatever connections the program opens.
func (p *counterpart) listen(n *namespace, port uint16) (address string) {
	listener := n.listen(p.t, at(n.v4, port))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.t.Cleanup(func() { conn.Close() })
			go p.serve(conn)
		}
	}()
	return listener.Addr().String()
}

func (p *counterpart) serve(conn net.Conn) {
	p.mu.Lock()
	p.conn = conn
	p.opened++
	p.mu.Unlock()
	r := &reader{conn: conn}
	for {
		if len(r.buffer) == 2 && string(r.buffer) == "\r\n" { // the rest of a ping comes with it
			conn.SetReadDeadline(time.Now().Add(time.Second))
		} else {
			conn.SetReadDeadline(time.Time{})
		}
		err := r.fill()
		if err != nil && !strings.Contains(err.Error(), "timeout") {
			break
		}
		p.take(conn, r, err != nil)
	}
	p.mu.Lock()
	p.ended++
	p.mu.Unlock()
}

// take takes apart what came; a CRLF on which nothing followed is a lone one.
func (p *counterpart) take(conn net.Conn, r *reader, nothing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(r.buffer) > 0 {
		switch {
		case bytes.HasPrefix(r.buffer, []byte("\r\n\r\n")):
			p.pings++
			r.buffer = r.buffer[4:]
			conn.Write([]byte("\r\n")) // an error shows as the end
		case string(r.buffer) == "\r\n" && !nothing:
			return
		case bytes.HasPrefix(r.buffer, []byte("\r\n")):
			p.lone++
			r.buffer = r.buffer[2:]
		case !r.next():
			return
		default:
			p.message(conn, r.latest)
		}
	}
}

func (p *counterpart) message(conn net.Conn, m []byte) {
	if bytes.HasPrefix(m, []byte("REGISTER ")) {
		conn.Write(bytes.Replace(reply(m, "200 OK"), []byte(";keep;"), fmt.Appendf(nil, ";keep=%d;", p.seconds), 1))
		return
	}
	if status, found := bytes.CutPrefix(m, []byte("SIP/2.0 ")); found {
		p.came[field(m, "Call-ID")] = string(status[:3])
		select {
		case p.waiting <- struct{}{}:
		default:
		}
	}
}

func field(m []byte, name string) string {
	_, rest, _ := strings.Cut(string(m), "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// talk sends the program a request, and says whether it was answered.
func (p *counterpart) talk() bool {
	p.mu.Lock()
	conn := p.conn
	p.mu.Unlock()
	if conn == nil {
		return false
	}
	m := request(p.method, "TCP", conn.LocalAddr())
	m = bytes.Replace(m, []byte("Content-Length"), fmt.Appendf(nil, "Contact: <sip:b@%s;transport=tcp>\r\nContent-Length", conn.LocalAddr()), 1)
	if _, err := conn.Write(m); err != nil {
		return false
	}
	for end := time.After(5 * time.Second); ; {
		select {
		case <-end:
			return false
		case <-p.waiting:
		}
		p.mu.Lock()
		status := p.came[field(m, "Call-ID")]
		p.mu.Unlock()
		if status != "" {
			return true
		}
	}
}

// counts returns what has happened so far.
func (p *counterpart) counts() (opened, ended, pings, lone int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened, p.ended, p.pings, p.lone
}

// SPDX-License-Identifier: Apache-2.0

package hep

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

const (
	// queued is how many messages may wait for the collector: a second or two of
	// a busy host. Those beyond are dropped and counted.
	queued = 4096
	// redial keeps attempts to reach a collector apart; dialWait and writeWait
	// bound how long one that hangs is waited for.
	redial    = 5 * time.Second
	dialWait  = 5 * time.Second
	writeWait = 5 * time.Second
)

// Options say where to and what.
type Options struct {
	Address     string // of the collector, HOST:PORT
	Network     string // udp or tcp
	Agent       Agent
	Credentials bool // send Authorization and Proxy-Authorization as they are
	Log         *slog.Logger
}

// Sender sends messages in the background. Send may be called from any
// goroutine.
type Sender struct {
	o     Options
	queue chan *Message

	sent    atomic.Uint64
	dropped atomic.Uint64
}

// New returns a Sender, that sends nothing before Run.
func New(o Options) (*Sender, error) {
	if _, _, err := net.SplitHostPort(o.Address); err != nil {
		return nil, fmt.Errorf("the collector's address: %w; write HOST:PORT", err)
	}
	return &Sender{o: o, queue: make(chan *Message, queued)}, nil
}

// Send takes a message, of which it keeps a copy of the head. It does not wait:
// what finds no room is dropped.
func (s *Sender) Send(m *Message) {
	if len(s.queue) == cap(s.queue) { // before the copy
		s.dropped.Add(1)
		return
	}
	own := *m
	if h := head(m.Head); s.o.Credentials {
		own.Head = append([]byte(nil), h...)
	} else {
		own.Head = Redact(make([]byte, 0, len(h)), h)
	}
	select {
	case s.queue <- &own:
	default:
		s.dropped.Add(1)
	}
}

// Counts says how many messages were sent, and how many were not.
func (s *Sender) Counts() (sent, dropped uint64) { return s.sent.Load(), s.dropped.Load() }

// Run sends until ctx is done, and then what waits. A collector that cannot be
// reached is tried again; what comes meanwhile and finds no room is dropped.
func (s *Sender) Run(ctx context.Context) {
	defer func() { s.dropped.Add(uint64(len(s.queue))) }()
	for told := false; ; {
		used, err := s.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if used || !told {
			s.o.Log.Warn("SIP messages do not reach the collector", "address", s.o.Address, "network", s.o.Network, "err", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(redial):
		}
	}
}

// session sends over one connection until that fails or ctx is done. It says
// whether anything was sent.
func (s *Sender) session(ctx context.Context) (used bool, err error) {
	dialer := net.Dialer{Timeout: dialWait}
	conn, err := dialer.DialContext(ctx, s.o.Network, s.o.Address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var packet []byte
	for err == nil {
		var m *Message
		select {
		case m = <-s.queue:
		case <-ctx.Done():
			select { // what waits goes first
			case m = <-s.queue:
			default:
				return used, nil
			}
		}
		if packet, err = s.write(conn, packet, m); err == nil {
			used = true
		}
	}
	return used, err
}

// write sends m as one packet, made in the room of packet.
func (s *Sender) write(conn net.Conn, packet []byte, m *Message) ([]byte, error) {
	packet, fits := s.o.Agent.Append(packet[:0], m)
	if !fits {
		s.dropped.Add(1)
		return packet, nil
	}
	err := conn.SetWriteDeadline(time.Now().Add(writeWait))
	if err == nil {
		_, err = conn.Write(packet)
	}
	if err != nil {
		s.dropped.Add(1)
		return packet, err
	}
	s.sent.Add(1)
	return packet, nil
}

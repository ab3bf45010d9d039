// SPDX-License-Identifier: Apache-2.0

package live

import (
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// udpSocketsMax bounds what is remembered of datagram sockets to notice new
// ones; at the bound it is forgotten, which costs one scan.
const udpSocketsMax = 1 << 18

// scanner decides when the sockets are scanned. The scan itself runs beside the
// reader, since what it finds comes through the ring.
type scanner struct {
	watch    *Watch
	wanted   bool
	suspects bool // the last recount missed something for the first time
	last     time.Time
	udp      map[uint64]bool // datagram sockets met

	running sync.WaitGroup
	done    chan scanned // one scan at a time
	busy    bool
}

// scanned is a finished recount: what was alive, and since when it was asked.
type scanned struct {
	alive map[uint64]bool
	began event.Time
	err   error
}

func newScanner(w *Watch) scanner {
	return scanner{watch: w, udp: make(map[uint64]bool), done: make(chan scanned, 1)}
}

// want asks for a scan soon.
func (s *scanner) want() { s.wanted = true }

// saw asks for a scan when a socket appears whose holder is not known.
func (s *scanner) saw(e *event.Event) {
	switch {
	case e.Kind == event.Opened && e.Owner.PID == 0:
		s.wanted = true
	case e.Kind == event.Data && e.Transport == event.UDP && !s.udp[e.Socket]:
		if len(s.udp) >= udpSocketsMax {
			clear(s.udp)
		}
		s.udp[e.Socket] = true
		s.wanted = true
	}
}

// step is called after each read, when the ring is empty: everything that had
// closed before a scan ended has been handled.
func (s *scanner) step() error {
	select {
	case r := <-s.done:
		s.busy = false
		return s.recount(r)
	default:
	}
	due := time.Since(s.last) >= scanEvery || s.wanted && time.Since(s.last) >= scanPause
	if s.busy || !due {
		return nil
	}
	s.wanted, s.last, s.busy = false, time.Now(), true
	s.running.Go(func() { s.done <- s.scan() })
	return nil
}

// now scans at once, after any scan under way, and again where one scan does
// not tell.
func (s *scanner) now() error {
	s.running.Wait()
	if s.busy {
		<-s.done
		s.busy = false
	}
	const most = 3 // sockets that come and go at this moment would keep us here
	for range most {
		r := s.scan()
		if _, err := s.watch.read(0); err != nil {
			return err
		}
		if err := s.recount(r); err != nil || !s.suspects {
			return err
		}
	}
	return nil
}

func (s *scanner) scan() scanned {
	r := scanned{alive: make(map[uint64]bool), began: s.watch.probes.Now()}
	r.err = s.watch.probes.Scan(func(e *event.Event) {
		r.alive[e.Socket] = true
		s.watch.handle(e)
		s.watch.plain.saw(e)
	})
	return r
}

func (s *scanner) recount(r scanned) error {
	if r.err != nil {
		return r.err
	}
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	_, suspects := s.watch.core.Recount(func(socket uint64) bool { return r.alive[socket] }, r.began)
	s.suspects = suspects > 0
	s.wanted = s.wanted || s.suspects
	s.watch.scanned.Store(true)
	s.watch.plain.recounted()
	return nil
}

func (s *scanner) wait() { s.running.Wait() }

// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/viaduct-project/viaduct/internal/view"
)

const (
	every      = time.Second // how often the stream tells of changes
	readersMax = 32
	waitingMax = 8                // messages that wait for a slow reader
	writeWait  = 20 * time.Second // for a reader to take one; then it is cut off
)

// hub looks for changes once for all who read the stream, and only while there
// are any.
type hub struct {
	view *view.View

	mu      sync.Mutex
	readers map[*reader]struct{}
	stop    chan struct{} // of the goroutine that looks, nil if none does
	sent    uint64        // messages, of all readers ever
	dropped uint64        // those that a reader was too slow for
}

// reader is somebody who reads the stream.
type reader struct {
	messages chan []byte
	dropped  uint64 // messages that found no room; under hub.mu
}

func newHub(v *view.View) *hub { return &hub{view: v, readers: make(map[*reader]struct{})} }

// join returns nil if there are too many readers.
func (h *hub) join() *reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) >= readersMax {
		return nil
	}
	r := &reader{messages: make(chan []byte, waitingMax)}
	h.readers[r] = struct{}{}
	if h.stop == nil {
		h.stop = make(chan struct{})
		go h.look(h.view.Follow(), h.stop)
	}
	return r
}

func (h *hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
	if len(h.readers) == 0 && h.stop != nil {
		close(h.stop)
		h.stop = nil
	}
}

func (h *hub) look(f *view.Follower, stop <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		h.tell(f.Next())
	}
}

// tell hands c to the readers. Each is told, too, how many messages it was too
// slow for so far.
func (h *hub) tell(c *view.Changes) {
	whole, err := json.Marshal(c)
	if err != nil {
		return // it is all numbers and text
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		m := fmt.Appendf(nil, "event: changes\ndata: {\"dropped\":%d,%s\n\n", r.dropped, whole[1:])
		select {
		case r.messages <- m:
			h.sent++
		default:
			r.dropped++
			h.dropped++
		}
	}
}

// serve streams server-sent events until the reader has gone, or the request's
// context is done.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	reader := h.join()
	if reader == nil {
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d read the stream already", readersMax))
		return
	}
	defer h.leave(reader)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(b []byte) bool {
		// A test's recorder has no deadline.
		_ = out.SetWriteDeadline(time.Now().Add(writeWait))
		_, err := w.Write(b)
		return err == nil && out.Flush() == nil
	}
	if !send([]byte("retry: 2000\n\n")) {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case m := <-reader.messages:
			if !send(m) {
				return
			}
		}
	}
}

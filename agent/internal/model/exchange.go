// SPDX-License-Identifier: Apache-2.0

package model

import "time"

// Timers of RFC 3261, appendix A.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// copies draws when the copies of a message are sent: more than one only if
// datagrams are lost. Gaps double, up to most.
func (w *World) copies(most time.Duration) []time.Duration {
	at := []time.Duration{0}
	if w.stream() {
		return at
	}
	for gap := t1; len(at) < 4 && w.chance(15); gap = min(2*gap, most) {
		at = append(at, at[len(at)-1]+gap)
	}
	return at
}

// seen says whether the observer sees a copy of p's that does not arrive: the
// host's own leave it before they are lost.
func (p *party) seen() bool { return p == p.w.parties[0] }

// send sends r, again and again until it arrives, and then calls arrived.
func (r *request) send(arrived func()) {
	w := r.link.w
	r.link.busy++
	most := time.Hour // INVITE: RFC 3261 section 17.1.1.2
	if r.method != "INVITE" {
		most = t2
	}
	text := r.String()
	at := w.copies(most)
	if r.gap = t1; len(at) > 1 {
		r.gap = min(2*(at[len(at)-1]-at[len(at)-2]), most)
	}
	for i, d := range at {
		last := i == len(at)-1
		w.after(d, func() {
			if last || r.from.seen() {
				r.ask()
				r.link.put(r.from, text)
			}
			if last {
				arrived()
			}
		})
	}
}

// answer sends a final response to a request other than INVITE, after a while,
// and then calls done. If it is lost the request comes again, and so does it.
func (r *request) answer(status int, lines []string, keep int, done func()) {
	w := r.link.w
	wait := w.between(time.Millisecond, 150*time.Millisecond)
	w.after(wait, func() {
		text := r.response(status, r.tag(), keep, lines...)
		if w.stream() || !w.chance(5) {
			r.reply(text)
			r.settled(done)
			return
		}
		if r.from.peer.seen() {
			r.reply(text)
		}
		w.after(r.gap-wait, func() {
			r.link.put(r.from, r.String())
			w.after(w.between(time.Millisecond, 50*time.Millisecond), func() {
				r.reply(text)
				r.settled(done)
			})
		})
	})
}

// tag is the To tag of the answering side.
func (r *request) tag() string {
	i := r.from.peer.index()
	if r.call.tags[i] == "" {
		r.call.tags[i] = "t" + r.call.id[4:len(r.call.id)-len("@example.com")]
	}
	return r.call.tags[i]
}

// reply sends a response over the request's connection.
func (r *request) reply(text string) { r.link.put(r.from.peer, text) }

// ask notes that the request is seen, and told that it has its final response.
func (r *request) ask() {
	if !r.asked {
		r.asked = true
		r.link.asked++
	}
}

func (r *request) told() {
	if r.asked {
		r.asked = false
		r.link.asked--
	}
}

func (r *request) settled(done func()) {
	r.told()
	r.link.busy--
	if done != nil {
		done()
	}
}

// simple sends a request and has it answered.
func (r *request) simple(status int, done func(), lines ...string) {
	r.send(func() { r.answer(status, lines, -1, done) })
}

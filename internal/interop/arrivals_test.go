// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// all returns what came so far and passes the filter.
func (p *peer) all(wanted func(item) bool) []item {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []item
	for _, i := range p.items {
		if wanted(i) {
			found = append(found, i)
		}
	}
	return found
}

// await waits until n items that pass the filter have come in all, and returns
// the nth.
func (p *peer) await(wait time.Duration, n int, what string, wanted func(item) bool) item {
	p.Helper()
	var found []item
	p.until(wait, func() string {
		if found = p.all(wanted); len(found) < n {
			return fmt.Sprintf("%d %s, want %d; came:%s", len(found), what, n, p.trace())
		}
		return ""
	})
	return found[n-1]
}

// trace lists what came, a line each.
func (p *peer) trace() string {
	var b bytes.Buffer
	first := time.Time{}
	for _, i := range p.all(func(item) bool { return true }) {
		if first.IsZero() {
			first = i.at
		}
		line, _, _ := bytes.Cut([]byte(i.message), []byte("\r\n"))
		fmt.Fprintf(&b, "\n%9.3f %s %s %s %q", i.at.Sub(first).Seconds(), i.flow.transport, i.flow.remote, i.kind, line)
	}
	return b.String()
}

func is(kinds ...kind) func(item) bool {
	return func(i item) bool { return slices.Contains(kinds, i.kind) }
}

func of(method string) func(item) bool {
	return func(i item) bool { return i.kind == sip && i.method() == method }
}

// on narrows a filter to one connection.
func (f *flow) on(wanted func(item) bool) func(item) bool {
	return func(i item) bool {
		return (i.flow == f || i.flow.datagrams != nil && i.flow.datagrams == f.datagrams && i.flow.remote == f.remote) && wanted(i)
	}
}

// answered is the final response to a request.
func answered(m message) func(item) bool {
	return func(i item) bool {
		return i.kind == sip && i.status() >= "200" && i.field("cseq") == m.field("cseq") && i.field("call-id") == m.field("call-id")
	}
}

// gaps are the times between items, in seconds, in order.
func gaps(items []item) (seconds []float64) {
	for i := 1; i < len(items); i++ {
		seconds = append(seconds, items[i].at.Sub(items[i-1].at).Seconds())
	}
	return seconds
}

func figures(seconds []float64) string {
	if len(seconds) == 0 {
		return "no interval"
	}
	s := slices.Sorted(slices.Values(seconds))
	return fmt.Sprintf("min %.2f, median %.2f, max %.2f s of %d", s[0], s[len(s)/2], s[len(s)-1], len(s))
}

// slack is what a machine that starts fifty programs at once may add to, or
// take from, an interval.
const slack = 2.0 // seconds

// within says whether all are, but for slack.
func within(seconds []float64, low, high float64) bool {
	return len(seconds) > 0 && slices.Min(seconds) >= low-slack && slices.Max(seconds) <= high+slack
}

// none wants no more than n items for a while: what must not come cannot be
// waited for otherwise.
func (p *peer) none(wait time.Duration, n int, wanted func(item) bool) {
	p.Helper()
	time.Sleep(wait)
	if found := p.all(wanted); len(found) > n {
		p.Fatalf("%d of what should have come %d times:%s", len(found), n, p.trace())
	}
}

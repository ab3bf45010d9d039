// SPDX-License-Identifier: Apache-2.0

package live

import (
	"slices"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/tlsbind"
)

// Ends wait for plaintext, in order, where there is any.
func TestEndsWait(t *testing.T) {
	p := &plain{binder: tlsbind.New(func(*event.Event) {})}
	f := tlsbind.Fragment{1}
	p.binder.Record(&event.Event{Kind: event.Record, Transport: event.TLS, Socket: 7, Direction: event.Out, Payload: append([]byte{23, 3, 3, 0, 95}, f[:]...)})
	p.binder.Call(&tlsbind.Call{Direction: event.Out, Length: 1, Payload: []byte{1}, HasFragment: true, Fragment: f})
	const at = event.Time(1_000_000_000)
	var l ends
	for _, tt := range []struct {
		e     event.Event
		waits bool
	}{
		{event.Event{Kind: event.HalfClosed, Transport: event.TLS, Socket: 7, Time: at}, true},
		{event.Event{Kind: event.Closed, Transport: event.TLS, Socket: 7, Time: at + 1}, true},
		{event.Event{Kind: event.Closed, Transport: event.TLS, Socket: 8, Time: at}, false},
		{event.Event{Kind: event.Closed, Transport: event.TCP, Socket: 7, Time: at}, false},
		{event.Event{Kind: event.Record, Transport: event.TLS, Socket: 7, Time: at}, false},
	} {
		if got := l.hold(p, &tt.e); got != tt.waits {
			t.Errorf("%+v waits: %v", tt.e, got)
		}
		if l.hold(nil, &tt.e) {
			t.Error("waits though nothing reads plaintext")
		}
	}
	var handed []event.Kind
	hand := func(e *event.Event) { handed = append(handed, e.Kind) }
	l.due(at.Add(endWait)-1, false, hand)
	if handed != nil {
		t.Errorf("%v came too early", handed)
	}
	l.due(at.Add(endWait), false, hand)
	l.due(at, true, hand)
	if want := []event.Kind{event.HalfClosed, event.Closed}; !slices.Equal(handed, want) {
		t.Errorf("%v, want %v", handed, want)
	}
}

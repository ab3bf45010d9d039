// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow"
)

// told are events as text, one a line.
type told struct{ strings.Builder }

// Handle writes what a capture can show of what the kind promises: not the
// sockets' numbers and owners.
func (l *told) Handle(e *event.Event) {
	shown := event.Event{Kind: e.Kind, Transport: e.Transport, Local: e.Local, Remote: e.Remote}
	switch e.Kind {
	case event.Data:
		if e.Length == 0 {
			return // bytes that are lost: packets tell by their acknowledgement, events when others follow
		}
		shown.Direction, shown.Seq, shown.Length = e.Direction, e.Seq, e.Length
	case event.HalfClosed:
		shown.Direction = e.Direction
	default:
		shown = *e
		shown.Socket, shown.Owner, shown.Counts.SRTT = 0, event.Process{}, 0
	}
	shown.Time, shown.Payload = 0, nil
	fmt.Fprintf(l, "%s %+v %q\n", e.Time.Sub(flow.Start), shown, e.Payload)
}

func (l *told) Tick(event.Time) {}

// TestCaptureTellsTheSame: the events that audit makes of the capture file are
// those of the flow itself, and its time is the flow's.
func TestCaptureTellsTheSame(t *testing.T) {
	f := sample(t)
	for i, s := range []*flow.Section{
		&f.Sections[1],
		parse(t, "tcp a in\n+1s\na< INVITE\na> 200 split=3\na< ACK\na< BYE\na> 200\n+1s\na> fin\n+1s\na< fin\n+30s"),
		parse(t, "tcp a out\n+1s\na> OPTIONS size=1400\n+1s\na< rst\ntcp b out refused\n+1s\ntcp c out unreachable"),
		parse(t, "tcp a out midlife local=[2001:db8::1]:41001 remote=[2001:db8::7]:5060\na> OPTIONS\n+1s\na< 200\na< close"),
		parse(t, "tcp a in\n+1s\na< INVITE\n+1s\na< lost 300\na< ping\n+1s\na> 200\na> rst"),
		parse(t, "udp u\nu> MESSAGE size=4000\n+1m\nu< 200"),
	} {
		var file bytes.Buffer
		if err := Write(&file, s); err != nil {
			t.Fatal(err)
		}
		var got, want told
		options := track.Options{Local: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::1/128")}}
		read, err := capture.Read(context.Background(), &file, options, &got)
		if err != nil {
			t.Fatal(err)
		}
		end := flow.Run(&want, s)
		if got.String() != want.String() {
			t.Errorf("flow %d: from the capture\n%s\nfrom the flow\n%s", i, got.String(), want.String())
		}
		if read.Last != end {
			t.Errorf("flow %d: the capture ends at %s, the flow at %s", i, read.Last.Sub(flow.Start), end.Sub(flow.Start))
		}
	}
}

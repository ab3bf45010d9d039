// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/file"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

func pcap() []byte {
	var b bytes.Buffer
	conversation(capturetest.New(&b, layers.LinkTypeEthernet), phone4, proxy4)
	return b.Bytes()
}

// pcapng has two interfaces of different link types, and says what it dropped.
func pcapng(t *testing.T) []byte {
	var b bytes.Buffer
	ng, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}, pcapgo.NgWriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := ng.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	w := capturetest.On(ng, layers.LinkTypeEthernet)
	w.IP(start, w.Datagram(phone4, proxy4, options))
	w.Link, w.Iface = layers.LinkTypeRaw, second
	w.IP(start, w.Datagram(phone6, proxy6, options))
	for _, dropped := range []uint64{3, 5} { // of one interface, since its beginning
		if err := ng.WriteInterfaceStats(second, pcapgo.NgInterfaceStatistics{LastUpdate: start.Go(), PacketsReceived: 9, PacketsDropped: dropped}); err != nil {
			t.Fatal(err)
		}
	}
	if err := ng.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func TestFormats(t *testing.T) {
	plain, ng := pcap(), pcapng(t)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := read(t, plain, track.Options{})
	if len(want) == 0 {
		t.Fatal("no events")
	}
	for name, b := range map[string][]byte{"gzip": gzipped(plain), "zstd": z.EncodeAll(plain, nil)} {
		t.Run(name, func(t *testing.T) {
			got, _ := read(t, b, track.Options{})
			same(t, got, want...)
		})
	}
	for name, b := range map[string][]byte{"pcapng": ng, "pcapng gzip": gzipped(ng)} {
		t.Run(name, func(t *testing.T) {
			got, r := read(t, b, track.Options{Local: proxies})
			same(t, got, "1 data in 0 39/39 "+proxy4.String()+" "+phone4.String(), "2 data in 0 39/39 "+proxy6.String()+" "+phone6.String())
			if r.Dropped != 5 {
				t.Errorf("%d packets dropped, want 5", r.Dropped)
			}
		})
	}
}

// TestCut: whatever there is of a file is read, and the rest is missed.
func TestCut(t *testing.T) {
	whole := pcap()
	_, all := read(t, whole, track.Options{})
	for n := range whole {
		r, err := Read(context.Background(), bytes.NewReader(whole[:n]), track.Options{}, new(log))
		switch {
		case err != nil && r != nil:
			t.Fatalf("%d bytes: %v, and a result", n, err)
		case err != nil && n > 24+16+60:
			t.Fatalf("%d bytes: %v", n, err)
		case err == nil && r.Cut == nil && r.Frames*76+24 != uint64(n) && n < 200:
			t.Fatalf("%d bytes: %d frames, and nothing missing", n, r.Frames)
		case err == nil && r.Cut != nil && !errors.Is(r.Cut, file.ErrCut):
			t.Fatalf("%d bytes: %v", n, r.Cut)
		case err == nil && r.Frames >= all.Frames:
			t.Fatalf("%d bytes hold as much as all", n)
		}
	}
	packed := gzipped(whole)
	r, err := Read(context.Background(), bytes.NewReader(packed[:len(packed)/2]), track.Options{}, new(log))
	if err != nil || !errors.Is(r.Cut, file.ErrCut) || r.Frames == 0 {
		t.Errorf("half a gzip file: %+v, %v", r, err)
	}
}

func TestNoCapture(t *testing.T) {
	var empty, wifi bytes.Buffer
	capturetest.New(&empty, layers.LinkTypeEthernet)
	capturetest.New(&wifi, layers.LinkTypeIEEE802_11).Frame(start, []byte("frame"))
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":     {nil, "shorter than a file header"},
		"text":        {[]byte("INVITE sip:bob@example.com SIP/2.0\r\n"), "neither pcap nor pcapng"},
		"gzip text":   {gzipped([]byte("some text")), "neither pcap nor pcapng"},
		"broken gzip": {[]byte{0x1f, 0x8b, 0, 0, 0, 0}, "decompress"},
		"no packet":   {empty.Bytes(), "holds no packet"},
		"wifi":        {wifi.Bytes(), "link type 105"},
		"half header": {pcap()[:20], "read the capture's header"},
	} {
		r, err := Read(context.Background(), bytes.NewReader(tt.b), track.Options{}, new(log))
		if err == nil || r != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// stopper ends the reading from within.
type stopper struct {
	log
	stop func()
}

func (s *stopper) Handle(e *event.Event) { s.stop(); s.log.Handle(e) }

// TestStop: a reader that is stopped reports what it has read.
func TestStop(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var b bytes.Buffer
	w := capturetest.New(&b, layers.LinkTypeRaw)
	packet := w.Datagram(phone4, proxy4, options)
	for range 3 * lookUp {
		w.IP(start, packet)
		packet[5]++ // another identification
	}
	r, err := Read(ctx, io.MultiReader(&b), track.Options{}, &stopper{stop: cancel})
	if err != nil || !errors.Is(r.Cut, context.Canceled) || r.Frames != lookUp {
		t.Errorf("%+v, %v", r, err)
	}
}

// FuzzRead: no file makes it panic, or hold more than a little for each byte.
func FuzzRead(f *testing.F) {
	f.Add(pcap())
	f.Add(gzipped(pcap()))
	for _, link := range []layers.LinkType{layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2, layers.LinkTypeNull} {
		var b bytes.Buffer
		w := capturetest.New(&b, link)
		conversation(w, phone6, proxy6)
		for _, piece := range capturetest.Fragments(w.Datagram(phone6, proxy6, options+strings.Repeat("x", 2000)), 800) {
			w.IP(start, piece)
		}
		syn := w.Segment(phone4, proxy4, flags{SYN: true}, 1000, 0, "")
		w.IP(start, w.Unreachable(syn, false))
		f.Add(b.Bytes())
	}
	var ng bytes.Buffer
	n, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		f.Fatal(err)
	}
	conversation(capturetest.On(n, layers.LinkTypeEthernet), phone4, proxy4)
	n.Flush()
	f.Add(ng.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		sink := checker{t: t}
		r, err := Read(context.Background(), bytes.NewReader(b), track.Options{Local: proxies}, &sink)
		if (r == nil) == (err == nil) {
			t.Errorf("%v and %v", r, err)
		}
	})
}

// checker wants of events what the core relies on.
type checker struct {
	t *testing.T
}

func (c *checker) Tick(event.Time) {}

func (c *checker) Handle(e *event.Event) {
	switch {
	case e.Socket == 0 || e.Time == 0 || e.Transport == 0:
		c.t.Errorf("no socket, time or transport: %+v", e)
	case e.Kind == event.Data && (e.Direction == 0 || e.Length < len(e.Payload)):
		c.t.Errorf("data: %+v", e)
	case e.Kind == event.Closed && e.How == event.HowUnknown:
		c.t.Errorf("closed, and not how: %+v", e)
	}
}

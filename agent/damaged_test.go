// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/viaduct-project/viaduct/agent/internal/model"
	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/capture"
	"github.com/viaduct-project/viaduct/internal/capture/capturetest"
	"github.com/viaduct-project/viaduct/internal/capture/track"
	"github.com/viaduct-project/viaduct/internal/event"
)

// frames are what was captured.
type frames []frame

type frame struct {
	gopacket.CaptureInfo
	bytes []byte
}

func (f *frames) WritePacket(ci gopacket.CaptureInfo, b []byte) error {
	*f = append(*f, frame{ci, bytes.Clone(b)})
	return nil
}

// in says whether the peer sent it.
func (f *frame) in() bool { return bytes.Equal(f.bytes[12:16], []byte{198, 51, 100, 7}) }

// capturedWorld is a world that keeps the rules, as packets.
func capturedWorld(cfg model.Config, steps int) frames {
	var all frames
	w := capturetest.NewEvents(capturetest.On(&all, layers.LinkTypeRaw))
	model.New(cfg, func(e *event.Event) { w.Write(e) }).Run(steps)
	return all
}

// damages are what may happen to a capture.
var damages = map[string]func(rng *rand.Rand, all frames) frames{
	"none": func(_ *rand.Rand, all frames) frames { return all },
	"single packets missing": func(rng *rand.Rand, all frames) (kept frames) {
		for _, f := range all {
			if rng.IntN(50) > 0 {
				kept = append(kept, f)
			}
		}
		return kept
	},
	"many packets missing": func(rng *rand.Rand, all frames) (kept frames) {
		for _, f := range all {
			if rng.IntN(4) > 0 {
				kept = append(kept, f)
			}
		}
		return kept
	},
	"bursts missing": func(rng *rand.Rand, all frames) (kept frames) {
		for len(all) > 0 {
			n := min(1+rng.IntN(200), len(all))
			kept = append(kept, all[:n]...)
			all = all[n:]
			all = all[min(1+rng.IntN(50), len(all)):]
		}
		return kept
	},
	"begins within a message": func(rng *rand.Rand, all frames) frames {
		all = bytesCloned(all[rng.IntN(len(all)):])
		const headers, gone = 40, 60 // bytes: of IP and TCP, and of the payload's beginning
		if b := all[0].bytes; len(b) > 200 && b[9] == byte(layers.IPProtocolTCP) {
			rest := slices.Concat(b[:headers], b[headers+gone:])
			binary.BigEndian.PutUint16(rest[2:], uint16(len(rest)))
			binary.BigEndian.PutUint32(rest[24:], binary.BigEndian.Uint32(b[24:])+gone)
			all[0].bytes, all[0].Length, all[0].CaptureLength = rest, len(rest), len(rest)
		}
		return all
	},
	"begins late": func(rng *rand.Rand, all frames) frames { return all[rng.IntN(len(all)):] },
	"only what came in": func(_ *rand.Rand, all frames) (kept frames) {
		for _, f := range all {
			if f.in() {
				kept = append(kept, f)
			}
		}
		return kept
	},
	"only what went out": func(_ *rand.Rand, all frames) (kept frames) {
		for _, f := range all {
			if !f.in() {
				kept = append(kept, f)
			}
		}
		return kept
	},
	"cut to 96":  func(_ *rand.Rand, all frames) frames { return cutTo(all, 96) },
	"cut to 200": func(_ *rand.Rand, all frames) frames { return cutTo(all, 200) },
	"cut to 400": func(_ *rand.Rand, all frames) frames { return cutTo(all, 400) },
	"neighbours swapped": func(rng *rand.Rand, all frames) frames {
		all = bytesCloned(all)
		for i := 1; i < len(all); i++ {
			if rng.IntN(10) == 0 && all[i].Timestamp.Sub(all[i-1].Timestamp) < 2*time.Millisecond {
				all[i-1].bytes, all[i].bytes = all[i].bytes, all[i-1].bytes
				all[i-1].CaptureLength, all[i].CaptureLength = all[i].CaptureLength, all[i-1].CaptureLength
				all[i-1].Length, all[i].Length = all[i].Length, all[i-1].Length
			}
		}
		return all
	},
	"everything twice": func(rng *rand.Rand, all frames) (kept frames) {
		for _, f := range all {
			again := f
			again.InterfaceIndex = 1
			again.Timestamp = again.Timestamp.Add(time.Duration(rng.IntN(1000)) * time.Microsecond)
			kept = append(kept, f, again)
		}
		return kept
	},
}

func bytesCloned(all frames) frames {
	kept := make(frames, len(all))
	for i, f := range all {
		kept[i] = frame{f.CaptureInfo, bytes.Clone(f.bytes)}
	}
	return kept
}

func cutTo(all frames, n int) (kept frames) {
	for _, f := range all {
		if len(f.bytes) > n {
			f.bytes, f.CaptureLength = f.bytes[:n], n
		}
		kept = append(kept, f)
	}
	return kept
}

// file is a capture of them, on two interfaces.
func (f frames) file(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	i := pcapgo.NgInterface{LinkType: layers.LinkTypeRaw, TimestampResolution: 9}
	w, err := pcapgo.NewNgWriterInterface(&b, i, pcapgo.NgWriterOptions{})
	if err == nil {
		_, err = w.AddInterface(i)
	}
	for _, f := range f {
		if err == nil {
			err = w.WritePacket(f.CaptureInfo, f.bytes)
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

// inClear are the transports that a capture can show messages of.
var inClear = map[string]event.Transport{"tcp": event.TCP, "udp": event.UDP}

// TestDamagedCaptures: whatever is missing from a capture, or is in it twice,
// entities that keep the rules break none by that.
func TestDamagedCaptures(t *testing.T) {
	const worlds, steps = 8, 2000
	for name, transport := range inClear {
		for seed := range uint64(worlds) {
			all := capturedWorld(model.Config{Seed: seed, Transport: transport}, steps)
			for damage, do := range damages {
				rng := rand.New(rand.NewPCG(seed, 2))
				for sides, local := range map[string][]netip.Prefix{"sides": {netip.MustParsePrefix("192.0.2.1/32")}, "sideless": nil} {
					t.Run(damage+"/"+name+"/"+sides, func(t *testing.T) {
						r := reportOn(t, do(rng, all), track.Options{Local: local}, transport)
						if n := r.Summary.Findings; n.Violation+n.Advice > 0 {
							t.Errorf("seed %d: findings about entities that keep the rules:%s", seed, findings(r))
						}
					})
				}
			}
		}
	}
}

// TestFaultsInDamagedCaptures: what is wrong for sure is found, whatever is
// missing; what rests on nothing being missing, only where nothing is.
func TestFaultsInDamagedCaptures(t *testing.T) {
	for _, tt := range []struct {
		fault, damage string
		found         bool
	}{
		{"TP-19", "none", true},
		{"TP-19", "single packets missing", true},
		{"TP-19", "everything twice", true},
		{"KEEP-09", "none", true},
		{"KEEP-09", "everything twice", true},
		{"KEEP-09", "many packets missing", false},
		{"STUN-04", "none", true},
	} {
		for name, transport := range inClear {
			if faults[tt.fault].transports[0] == "udp" && transport != event.UDP {
				continue
			}
			t.Run(tt.fault+"/"+tt.damage+"/"+name, func(t *testing.T) {
				found := 0
				const worlds = 8
				for seed := range uint64(worlds) {
					all := capturedWorld(model.Config{Seed: seed, Transport: transport, Fault: tt.fault}, 2000)
					rng := rand.New(rand.NewPCG(seed, 2))
					r := reportOn(t, damages[tt.damage](rng, all), track.Options{Local: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, transport)
					for _, f := range r.Findings {
						if slices.Contains(faults[tt.fault].finds, f.Rule) {
							found++
							break
						}
					}
				}
				if tt.found != (found > worlds/2) || !tt.found && found > 0 {
					t.Errorf("found in %d of %d captures", found, worlds)
				}
			})
		}
	}
}

func reportOn(t *testing.T, all frames, o track.Options, transport event.Transport) *report.Report {
	t.Helper()
	for {
		core := New(Config{Started: script.Start, Source: "pcap", Profile: rule.Profile{NAT: transport != event.UDP}})
		read, err := capture.Read(context.Background(), all.file(t), o, core)
		if err != nil || read.Cut != nil {
			t.Fatalf("%+v, %v", read, err)
		}
		doubt := read.Doubt(core.Unasked())
		if doubt == nil || o.Doubt != nil {
			core.Finish(read.Last)
			return core.Report(read.Last)
		}
		o.Doubt = doubt
	}
}

// SPDX-License-Identifier: Apache-2.0

package helpertest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	agentstream "github.com/viaduct-project/viaduct/agent/stream"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/testutil"
)

// tlsRecord returns a record with n bytes behind its header.
func tlsRecord(kind byte, n int) []byte {
	return append([]byte{kind, 3, 3, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{0xaa}, n)...)
}

const (
	handshake = 22
	alert     = 21
	appData   = 23
)

// piece is one record of the ring.
type piece struct {
	seq    uint32
	length int
	bytes  []byte
	lost   bool
}

func (p piece) String() string {
	s := fmt.Sprintf("%d %d/%d", p.seq, len(p.bytes), p.length)
	if p.lost {
		s += " lost"
	}
	return s
}

// walker runs the walk over the records of a segment, for one socket.
type walker struct {
	t       *testing.T
	objects helperObjects
	ring    *ringbuf.Reader
}

func newWalker(t *testing.T) *walker {
	t.Helper()
	testutil.RequireRoot(t)
	w := &walker{t: t}
	if err := loadHelperObjects(&w.objects, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.objects.Close() })
	var err error
	if w.ring, err = ringbuf.NewReader(w.objects.Records); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.ring.Close() })
	w.fresh()
	return w
}

// fresh begins with another socket.
func (w *walker) fresh() {
	w.t.Helper()
	if err := w.objects.Walked.Set(helperSockState{}); err != nil {
		w.t.Fatal(err)
	}
}

// segment shows the walk one segment that comes in.
func (w *walker) segment(seq uint32, payload []byte) (all []piece) {
	w.t.Helper()
	if err := w.objects.Incoming.Set(uint8(1)); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.objects.Walk.Test(ipv4(6, nil, tcp(seq, 0, nil, payload))); err != nil {
		w.t.Fatal(err)
	}
	w.ring.SetDeadline(time.Unix(1, 0))
	for {
		record, err := w.ring.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		} else if err != nil {
			w.t.Fatal(err)
		}
		data := (*helperDataRecord)(unsafe.Pointer(&record.RawSample[0]))
		if helperRecordKind(data.Head.Kind) != helperRecordKindRECORD_WIRE {
			w.t.Fatalf("a record of kind %d", data.Head.Kind)
		}
		const head = unsafe.Sizeof(*data)
		all = append(all, piece{
			data.Seq, int(data.LengthBytes), record.RawSample[head : head+uintptr(data.CapturedBytes)],
			helperRecordFlag(data.Head.Flags)&helperRecordFlagRECORD_LOST != 0,
		})
	}
}

// segments are written as seq and payload.
type segment struct {
	seq     uint32
	payload []byte
}

func TestTLSRecords(t *testing.T) {
	w := newWalker(t)
	cat := func(b ...[]byte) []byte { return slices.Concat(b...) }
	ping := tlsRecord(appData, 21)
	long := tlsRecord(appData, 3000)
	hello := tlsRecord(handshake, 500)
	for _, tt := range []struct {
		name     string
		segments []segment
		want     string
	}{
		{"the handshake goes up whole", []segment{{100, hello}}, "100 505/505"},
		{"application data by its beginning", []segment{{100, ping}}, "100 21/26"},
		{"several records", []segment{{100, cat(hello, tlsRecord(20, 1), ping, long)}}, "100 505/505, 605 6/6, 611 21/26, 637 21/3005"},
		{"a record in three segments", []segment{{100, long[:1400]}, {1500, long[1400:2800]}, {2900, long[2800:]}}, "100 21/3005"},
		{"and what follows it in the last", []segment{{100, long[:2000]}, {2100, cat(long[2000:], ping)}}, "100 21/3005, 3105 21/26"},
		{"out of order", []segment{{100, long[:1400]}, {2900, cat(long[2800:], ping)}, {1500, long[1400:2800]}}, "100 21/3005, 3105 21/26, 1500 1400/1400"},
		{"its header is split", []segment{{100, cat(ping, long[:3])}, {129, long[3:]}}, "100 21/26, 126 3/3, 129 3002/3002"},
		{"what begins in the middle of a record", []segment{{100, long[1000:]}}, "100 2005/2005"},
		{"a handshake record in two segments", []segment{{100, hello[:300]}, {400, cat(hello[300:], ping)}}, "100 300/300, 400 231/231"},
		{"a segment again", []segment{{100, ping}, {126, ping}, {100, ping}}, "100 21/26, 126 21/26, 100 21/26"},
		{"sequence numbers wrap", []segment{{0xfffffff0, long[:1000]}, {0xfffffff0 + 1000 - 1<<32, cat(long[1000:], ping)}},
			"4294967280 21/3005, 2989 21/26"},
		{"an empty record", []segment{{100, cat(tlsRecord(appData, 0), ping)}}, "100 5/5, 105 21/26"},
		{"too long for a record", []segment{{100, []byte{appData, 3, 3, 0x48, 0x01, 0}}}, "100 6/6"},
		{"another version", []segment{{100, []byte{appData, 3, 5, 0, 1, 0}}}, "100 6/6"},
		{"another type", []segment{{100, []byte{24, 3, 3, 0, 1, 0}}}, "100 6/6"},
		{"less than a header", []segment{{100, ping[:4]}, {104, ping[4:]}}, "100 4/4, 104 22/22"},
		{"more records than are followed", []segment{{0, bytes.Repeat(tlsRecord(alert, 2), 200)}},
			manyPieces(32, 7) + ", 224 1176/1176"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			w.fresh()
			var got []string
			for _, s := range tt.segments {
				for _, p := range w.segment(s.seq, s.payload) {
					got = append(got, p.String())
				}
			}
			if g := strings.Join(got, ", "); g != tt.want {
				t.Errorf("got\n%s\nwant\n%s", g, tt.want)
			}
		})
	}
}

// manyPieces are n whole records of so many bytes each, from 0 on.
func manyPieces(n, bytes int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%d %d/%d", i*bytes, bytes, bytes))
	}
	return strings.Join(all, ", ")
}

// TestTLSRecordsAnyOrder: however a stream is cut into segments, and in
// whichever order and however often they come, a reader finds each record that
// the segments hold.
func TestTLSRecordsAnyOrder(t *testing.T) {
	w := newWalker(t)
	rng := rand.New(rand.NewPCG(5, 61))
	for round := range 300 {
		w.fresh()
		var stream []byte
		var want []tlswire.Record
		for range 1 + rng.IntN(20) {
			kind := []byte{20, 21, 22, 23, 23, 23, 23}[rng.IntN(7)]
			n := []int{1, 21, 19, 700, 2500}[rng.IntN(5)]
			stream = append(stream, tlsRecord(kind, n)...)
			want = append(want, tlswire.Record{Type: kind, Version: 0x0303, Length: n})
		}
		base := rng.Uint32()
		var segments []segment
		for at := 0; at < len(stream); {
			n := min([]int{1 + rng.IntN(8), 1 + rng.IntN(1460), 1460}[rng.IntN(3)], len(stream)-at)
			segments = append(segments, segment{base + uint32(at), stream[at : at+n]})
			at += n
		}
		for i := range segments { // some change places with the next one, some come again
			switch rng.IntN(8) {
			case 0:
				j := min(i+1, len(segments)-1)
				segments[i], segments[j] = segments[j], segments[i]
			case 1:
				segments = append(segments, segments[i])
			}
		}
		var reader tlswire.Reader
		var order agentstream.Reassembler
		budget := agentstream.Budget{Limit: 1 << 20}
		order.Start(base)
		var got []tlswire.Record
		for _, s := range segments {
			for _, p := range w.segment(s.seq, s.payload) {
				cursor := order.Push(1, agentstream.Segment{Seq: p.seq, Length: p.length, Data: p.bytes}, &budget)
				var chunk agentstream.Chunk
				for cursor.Next(&chunk) {
					if chunk.Gap > 0 && !reader.Gap(chunk.Gap) {
						t.Fatalf("round %d: %d bytes are missing that matter", round, chunk.Gap)
					}
					var item tlswire.Item
					for b := chunk.Data; len(b) > 0; {
						if b = reader.Next(b, &item); item.Begins {
							got = append(got, item.Record)
						}
					}
				}
			}
		}
		if reader.Missed != 0 || !slices.Equal(got, want) {
			t.Fatalf("round %d: found\n%v\nof\n%v", round, got, want)
		}
	}
}

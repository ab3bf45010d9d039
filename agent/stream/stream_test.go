// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

// sink collects what a stream hands on; a gap is a run of '?'.
type sink struct {
	bytes.Buffer
	gaps int64
}

func (s *sink) take(c Cursor) {
	var chunk Chunk
	for c.Next(&chunk) {
		s.Write(chunk.Data)
		s.WriteString(string(bytes.Repeat([]byte("?"), int(chunk.Gap))))
		s.gaps += chunk.Gap
	}
}

func seg(seq uint32, data string) Segment {
	return Segment{Seq: seq, Length: len(data), Data: []byte(data)}
}

func TestPush(t *testing.T) {
	lost := func(s Segment) Segment { s.Lost = true; return s }
	cut := func(s Segment, n int) Segment { s.Length += n; return s }
	const top = 0xfffffffe // two before the wrap
	for _, tt := range []struct {
		name     string
		start    uint32
		segments []Segment
		want     string
	}{
		{"in order", 0, []Segment{seg(0, "abc"), seg(3, "def")}, "abcdef"},
		{"retransmitted", 0, []Segment{seg(0, "abc"), seg(0, "abc"), seg(3, "d")}, "abcd"},
		{"retransmitted in part", 0, []Segment{seg(0, "abc"), seg(1, "bcde"), seg(2, "cd")}, "abcde"},
		{"two swapped", 0, []Segment{seg(3, "def"), seg(0, "abc")}, "abcdef"},
		{"held twice", 0, []Segment{seg(3, "def"), seg(3, "def"), seg(0, "abc"), seg(6, "g")}, "abcdefg"},
		{"held overlap", 0, []Segment{seg(3, "de"), seg(4, "efg"), seg(2, "cdefgh"), seg(0, "ab")}, "abcdefgh"},
		{"hole waits", 0, []Segment{seg(0, "ab"), seg(3, "d")}, "ab"},
		{"hole filled by overlap", 0, []Segment{seg(0, "ab"), seg(3, "d"), seg(1, "bcde")}, "abcde"},
		{"wrap", top, []Segment{seg(top, "abcd"), seg(2, "ef")}, "abcdef"},
		{"wrap out of order", top, []Segment{seg(2, "ef"), seg(top+1, "bcd"), seg(top, "a")}, "abcdef"},
		{"hole at the start", 5, []Segment{seg(7, "c")}, ""},
		{"source lost", 0, []Segment{seg(0, "ab"), lost(seg(4, "ef")), seg(6, "g")}, "ab??efg"},
		{"source lost with something held", 0, []Segment{seg(0, "ab"), seg(4, "e"), lost(seg(7, "h"))}, "ab??e??h"},
		{"lost is forgotten by the next byte in order", 0, []Segment{lost(seg(0, "ab")), seg(4, "e")}, "ab"},
		{"cut", 0, []Segment{cut(seg(0, "ab"), 3), seg(5, "f")}, "ab???f"},
		{"cut and held", 0, []Segment{cut(seg(2, "cd"), 2), seg(0, "ab"), seg(6, "g")}, "abcd??g"},
		{"cut, known part repeated", 0, []Segment{seg(0, "abc"), cut(seg(1, "bc"), 2)}, "abc??"},
		{"keepalive probe", 0, []Segment{seg(0, "abc"), seg(2, "\x00"), seg(3, "d")}, "abcd"},
		{"far ahead is not believed", 0, []Segment{seg(0, "ab"), seg(1<<25, "x"), seg(2, "c")}, "abc"},
		{"empty", 0, []Segment{seg(0, ""), seg(9, ""), seg(0, "a")}, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := Budget{Limit: 1 << 20}
			var r Reassembler
			var got sink
			r.Start(tt.start)
			for _, s := range tt.segments {
				got.take(r.Push(1, s, &b))
			}
			if got.String() != tt.want {
				t.Errorf("got %q, want %q", got.String(), tt.want)
			}
			if want := uint64(len(tt.want)); r.Delivered+r.GapBytes != want || r.GapBytes != uint64(got.gaps) {
				t.Errorf("accounted %d+%d, want %d", r.Delivered, r.GapBytes, want)
			}
			r.Drop(&b)
			if b.Used != 0 {
				t.Errorf("%d bytes still held", b.Used)
			}
		})
	}
}

func TestFarAheadTwiceIsTheStream(t *testing.T) {
	b := Budget{Limit: 1 << 20}
	var r Reassembler
	var got sink
	got.take(r.Push(1, seg(0, "ab"), &b))
	got.take(r.Push(1, seg(1<<25, "xy"), &b))
	got.take(r.Push(1, seg(1<<25+2, "z"), &b))
	if got.gaps == 0 || !bytes.HasSuffix(got.Bytes(), []byte("z")) || r.Stray != 1 {
		t.Errorf("gaps %d, stray %d: the stream did not move on", got.gaps, r.Stray)
	}
}

func TestStartAfterFirstSegment(t *testing.T) {
	b := Budget{Limit: 1 << 20}
	var r Reassembler
	var got sink
	got.take(r.Push(1, seg(3, "de"), &b))
	if gap := r.Start(0); gap != 3 || r.GapBytes != 3 || r.Delivered != 2 {
		t.Errorf("gap %d, accounted %d+%d; want 3, 2+3", gap, r.Delivered, r.GapBytes)
	}
	if gap := r.Start(0); gap != 0 {
		t.Errorf("the same beginning told again is a gap of %d", gap)
	}
}

func TestExpire(t *testing.T) {
	b := Budget{Limit: 1 << 20}
	var r Reassembler
	var got sink
	r.Start(0)
	got.take(r.Push(5, seg(2, "c"), &b))
	got.take(r.Push(7, seg(5, "f"), &b))
	if since, ok := r.Waiting(); !ok || since != 5 {
		t.Fatalf("waiting since %d, %t; want 5", since, ok)
	}
	got.take(r.Expire(20, &b))
	if got.String() != "??c" {
		t.Errorf("after one hole is given up: %q", got.String())
	}
	if since, ok := r.Waiting(); !ok || since != 20 {
		t.Errorf("the next hole waits since %d, %t; want 20", since, ok)
	}
	got.take(r.Finish(30, &b))
	if got.String() != "??c??f" || b.Used != 0 {
		t.Errorf("finished with %q, %d bytes held", got.String(), b.Used)
	}
}

// TestProgressRestartsTheWait: a forged segment ahead must not turn a stream
// that flows into one with a gap.
func TestProgressRestartsTheWait(t *testing.T) {
	b := Budget{Limit: 1 << 20}
	var r Reassembler
	var got sink
	r.Start(0)
	got.take(r.Push(1, seg(1000, "forged"), &b))
	for i := range uint32(50) {
		got.take(r.Push(event.Time(10+i), seg(i, "a"), &b))
	}
	if since, _ := r.Waiting(); since != 59 {
		t.Errorf("waiting since %d, want since the last progress at 59", since)
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name         string
		limit, size  int
		segments     int
		mostSegments int
	}{
		{"segments", 1 << 30, 10, 10 * MaxHeldSegments, MaxHeldSegments},
		{"bytes", 1 << 30, 40 << 10, 40, MaxHeldBytes / (40 << 10)},
		{"budget", 1000, 100, 50, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := Budget{Limit: tt.limit}
			var r Reassembler
			var got sink
			r.Start(0)
			data := bytes.Repeat([]byte("x"), tt.size)
			for i := range tt.segments {
				// every segment leaves a hole of one byte before it
				got.take(r.Push(1, Segment{Seq: uint32(i*(tt.size+1) + 1), Length: tt.size, Data: data}, &b))
				if r.held != nil && len(r.held.segments) > tt.mostSegments {
					t.Fatalf("%d segments held, limit %d", len(r.held.segments), tt.mostSegments)
				}
				if b.Used > b.Limit {
					t.Fatalf("%d bytes held, limit %d", b.Used, b.Limit)
				}
			}
			got.take(r.Finish(1, &b))
			if want := tt.segments * (tt.size + 1); got.Len() != want || int(got.gaps) != tt.segments {
				t.Errorf("%d bytes with %d lost, want %d with %d", got.Len(), got.gaps, want, tt.segments)
			}
		})
	}
}

// TestAnyOrder: whatever the order, the overlaps and the repetitions of the
// segments, the bytes are those that were sent.
func TestAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		sent := make([]byte, 1+rng.IntN(400))
		for i := range sent {
			sent[i] = byte('a' + rng.IntN(26))
		}
		base := rng.Uint32()
		if round%2 == 0 {
			base = -uint32(rng.IntN(len(sent))) // wraps within
		}
		var segments []Segment
		for at := 0; at < len(sent); {
			n := 1 + rng.IntN(min(40, len(sent)-at))
			from := max(0, at-rng.IntN(20))
			segments = append(segments, Segment{Seq: base + uint32(from), Length: at + n - from, Data: sent[from : at+n]})
			at += n
		}
		for range rng.IntN(10) {
			segments = append(segments, segments[rng.IntN(len(segments))])
		}
		rng.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })
		if len(segments) > MaxHeldSegments {
			continue
		}
		b := Budget{Limit: 1 << 20}
		var r Reassembler
		var got sink
		r.Start(base)
		for _, s := range segments {
			got.take(r.Push(1, s, &b))
		}
		if got.String() != string(sent) || b.Used != 0 {
			t.Fatalf("round %d: got %q, want %q; %d bytes held", round, got.String(), sent, b.Used)
		}
	}
}

func TestInOrderDoesNotAllocate(t *testing.T) {
	b := Budget{Limit: 1 << 20}
	var r Reassembler
	data := make([]byte, 800)
	var chunk Chunk
	seq := uint32(0)
	if n := testing.AllocsPerRun(1000, func() {
		c := r.Push(1, Segment{Seq: seq, Length: len(data), Data: data}, &b)
		for c.Next(&chunk) {
			seq += uint32(len(chunk.Data))
		}
	}); n != 0 {
		t.Errorf("%v allocations a segment", n)
	}
}

func BenchmarkInOrder(b *testing.B) {
	budget := Budget{Limit: 1 << 20}
	var r Reassembler
	data := make([]byte, 800)
	var chunk Chunk
	now := event.At(time.Unix(1, 0))
	for b.Loop() {
		c := r.Push(now, Segment{Seq: r.next, Length: len(data), Data: data}, &budget)
		for c.Next(&chunk) {
		}
	}
}

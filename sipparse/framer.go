// SPDX-License-Identifier: Apache-2.0

package sipparse

// FramerOptions bound a Framer. The zero value of a field means its default.
// One value may serve any number of framers, and must not change meanwhile.
type FramerOptions struct {
	// MaxMessage is the most bytes of one message that are held: 65536 by
	// default. A longer head is a defect; a longer body is not given.
	MaxMessage int
	// MaxBody is the longest body believed: 16 MiB by default. A
	// Content-Length above it is a defect, and the next message is looked for
	// right after the head, so that a false number cannot blind the framer.
	MaxBody int64
	// DropBody: bodies are counted and thrown away, never held, and a message
	// is given as soon as its head is complete.
	DropBody bool
	// Resync: the stream may begin anywhere. Bytes before the first message
	// start are skipped without being called a defect.
	Resync bool
}

const (
	defaultMaxMessage = 64 << 10
	defaultMaxBody    = 16 << 20
)

func (o *FramerOptions) maxMessage() int {
	if o == nil || o.MaxMessage <= 0 {
		return defaultMaxMessage
	}
	return o.MaxMessage
}

func (o *FramerOptions) maxBody() int64 {
	if o == nil || o.MaxBody <= 0 {
		return defaultMaxBody
	}
	return o.MaxBody
}

func (o *FramerOptions) dropBody() bool { return o != nil && o.DropBody }

// Framer cuts one direction of a stream into items. Give it bytes with Push,
// then call Next until it is false; the same after Gap, Flush and End. The
// items do not depend on how the stream was cut into chunks.
//
// Between messages a Framer holds no buffer, and a message that lies whole in
// one chunk is not copied. The zero value is a Framer with default options.
type Framer struct {
	opts  *FramerOptions
	buf   *[]byte // what of the current line, head or body came in earlier chunks
	chunk []byte  // not yet read, from stream offset off
	pos   int     // bytes of chunk that already belong to the current line, head or body
	off   int64

	start    int64 // stream offset of the current line, head, filler or STUN message
	skipFrom int64 // stream offset of the bytes being skipped, if skipping
	need     int64 // bytes missing to the end of the body or STUN message
	gap      int64
	cut      int32 // bytes at the start of buf that have been given as a defect
	headLen  int32 // of a message whose body is waited for
	lineLen  int32 // of the start line with its terminator

	state     frameState
	scan      scan
	filler    Filler // a run from start up to off-crlf
	crlf      uint8  // bytes of CR LF CR LF before off that are not decided yet
	soft      bool   // the boundary is a guess: no defect if it proves wrong
	skipping  bool
	recovered bool
	headDone  bool // the head is complete, and not given yet
	spent     bool // buf has been given out: it goes back at the next call
	owed      owed
	ask       ask
	probed    uint8
	code      Code // of a message whose body is waited for
	probe     [8]byte
}

type frameState uint8

const (
	atBoundary frameState = iota
	inProbe               // bytes that may begin a STUN message
	inSTUN
	inLine // a line that should be, or may hold, a start line
	inHead // after the start line
	inBody // bytes to count
	inKeptBody
)

// ask is what the caller wants beside reading the chunk.
type ask uint8

const (
	askFlush ask = 1 << iota
	askGap
	askEnd
)

// NewFramer returns a Framer at the start of a stream. opts may be nil.
func NewFramer(opts *FramerOptions) Framer {
	return Framer{opts: opts, soft: opts != nil && opts.Resync}
}

// Push gives the next bytes of the stream. The chunk belongs to the framer
// until Next is false, and the items point into it.
func (f *Framer) Push(chunk []byte) {
	if len(f.chunk) > 0 { // the caller did not call Next to the end
		chunk = append(append([]byte(nil), f.chunk...), chunk...)
	}
	f.chunk = chunk
}

// Flush says that the peer has paused: a lone CRLF that could have become the
// first half of a ping is a pong now, and a framer that is skipping expects
// keep-alives and messages again. Without Flush two CRLFs join to a ping,
// however far apart they came. A caller with time stamps calls it before a
// Push that comes more than, say, a second after the one before.
func (f *Framer) Flush() { f.ask |= askFlush }

// Gap says that n bytes of the stream are lost here; n <= 0 means an unknown
// number, which does not move the offsets. A gap within a body that is
// dropped anyway costs nothing; any other makes the framer look for the next
// message start.
func (f *Framer) Gap(n int64) { f.ask, f.gap = f.ask|askGap, max(n, 0) }

// End says that the stream has ended: what is unfinished becomes a defect.
func (f *Framer) End() { f.ask |= askEnd }

// Buffered returns how many bytes the framer holds.
func (f *Framer) Buffered() int {
	if f.buf == nil {
		return 0
	}
	return len(*f.buf)
}

// Offset returns the stream offset of the next byte to come.
func (f *Framer) Offset() int64 { return f.off + int64(len(f.chunk)) }

// AtBoundary reports whether the stream is known to stand between two
// messages, with no keep-alive half read: the only place where bytes may be
// put in. It is meant for when Next is false.
func (f *Framer) AtBoundary() bool {
	return f.state == atBoundary && !f.soft && f.crlf == 0 && f.filler == FillerNone
}

// InMessage reports whether a message has begun and not ended.
func (f *Framer) InMessage() bool {
	return f.state >= inHead || f.state == inLine && !f.skipping
}

// Next reads on in the chunk and fills item with the next piece. It is false
// when the chunk is used up; what is left of it is held.
func (f *Framer) Next(item *Item) bool {
	*item = Item{}
	f.release()
	if f.owed != 0 {
		f.owe(item)
		return true
	}
	for len(f.chunk) > 0 || f.headDone {
		var found bool
		switch f.state {
		case atBoundary:
			found = f.boundary(item)
		case inProbe:
			f.probeSTUN()
		case inSTUN:
			found = f.stun(item)
		case inLine:
			found = f.line(item)
		case inHead:
			found = f.head(item)
		case inBody:
			f.body()
		case inKeptBody:
			found = f.keptBody(item)
		}
		if found {
			return true
		}
	}
	return f.ask != 0 && f.answer(item)
}

// advance takes n bytes off the chunk.
func (f *Framer) advance(n int) {
	f.chunk = f.chunk[n:]
	f.off += int64(n)
	f.pos = 0
}

// next sets the state between messages.
func (f *Framer) next(soft bool) {
	f.state, f.soft, f.skipping, f.recovered, f.code = atBoundary, soft, false, false, CodeNone
}

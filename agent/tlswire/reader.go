// SPDX-License-Identifier: Apache-2.0

package tlswire

// Reader finds the records of one direction of a connection in its bytes, of
// which those of application data may be missing. The zero value expects a
// record's header first.
type Reader struct {
	Missed uint32 // times that the Reader was out of step

	head    [headerBytes]byte
	have    uint8 // bytes of a header that has begun
	kind    uint8 // of the record
	left    int   // bytes of it that are to come
	astray  bool  // where the next record begins is not known
	missing bool  // bytes of the record were
}

// Item is the next thing that a Reader found.
type Item struct {
	Record
	Begins  bool   // a record begins
	Content []byte // more of a record that is not application data, all of which was there so far
}

// InStep says that the beginning of the next record is known.
func (r *Reader) InStep() bool { return !r.astray }

// Next takes bytes from b, which follow those of the call before, stores in out
// what it found, if anything, and returns the rest of b. Content views b.
func (r *Reader) Next(b []byte, out *Item) (rest []byte) {
	*out = Item{}
	switch {
	case r.left > 0:
		n := min(r.left, len(b))
		if r.kind != ApplicationData && !r.missing {
			out.Type, out.Content = r.kind, b[:n]
		}
		r.left -= n
		return b[n:]
	case r.astray:
		// Records mostly begin where segments do.
		if _, ok := ReadHeader(b); !ok {
			return nil
		}
		r.astray = false
	}
	n := copy(r.head[r.have:], b)
	r.have += uint8(n)
	if r.have < headerBytes {
		return b[n:]
	}
	r.have = 0
	var ok bool
	if out.Record, ok = ReadHeader(r.head[:]); !ok {
		r.stray()
		return nil
	}
	out.Begins = true
	r.kind, r.left, r.missing = out.Type, out.Length, false
	return b[n:]
}

// Join says that the connection is older than the observation: the first bytes
// may be the middle of a record.
func (r *Reader) Join() { r.astray = true }

// Gap says that n bytes are missing. It returns false if they were more than
// the middle or the end of a record of application data.
func (r *Reader) Gap(n int64) bool {
	if r.have > 0 || n > int64(r.left) {
		r.stray()
		return false
	}
	r.left -= int(n)
	r.missing = true
	return r.kind == ApplicationData
}

func (r *Reader) stray() {
	r.Missed++
	r.astray, r.have, r.left = true, 0, 0
}

// SPDX-License-Identifier: Apache-2.0

package sipparse

import "sync"

// buffers lends framers the bytes to hold a line, head or body that did not
// come in one chunk.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 2048)
	return &b
}}

// hold copies b behind what is held.
func (f *Framer) hold(b []byte) {
	if len(b) == 0 {
		return
	}
	if f.buf == nil {
		f.buf = buffers.Get().(*[]byte)
	}
	did(len(b))
	*f.buf = append(*f.buf, b...)
}

// holdLine takes the rest of the chunk into the buffer. Of a line that is
// being skipped only the end matters.
func (f *Framer) holdLine() {
	b := f.chunk[:f.pos]
	if f.skipping && len(b) >= resyncWindow {
		f.putBack()
		b = b[len(b)-resyncWindow:]
	}
	f.hold(b)
	f.advance(f.pos)
	if f.skipping && f.buf != nil && len(*f.buf) > 2*resyncWindow {
		did(resyncWindow)
		tail := (*f.buf)[len(*f.buf)-resyncWindow:]
		*f.buf = append((*f.buf)[:0], tail...)
	}
}

// unit returns the bytes of the current line, head or message: those of the
// chunk alone if all of it is there, else the buffer.
func (f *Framer) unit() []byte {
	if f.buf == nil {
		return f.chunk[:f.pos]
	}
	f.hold(f.chunk[:f.pos])
	f.advance(f.pos)
	return (*f.buf)[f.cut:]
}

// trim takes n bytes off the front of a unit of the given length, which then
// starts at the byte behind them.
func (f *Framer) trim(n, length int) {
	if f.buf == nil {
		f.advance(n)
		f.pos = length - n
		f.start = f.off
		return
	}
	f.cut += int32(n)
	f.start = f.off - int64(length-n)
}

// consume ends the current unit, which may have been given out: its buffer
// goes back at the next call.
func (f *Framer) consume() {
	if f.buf == nil {
		f.advance(f.pos)
		return
	}
	f.spent = true
}

// drop ends the current unit, of which nothing has been given out.
func (f *Framer) drop() {
	f.advance(f.pos)
	f.putBack()
}

// release puts the buffer back that the item before was in.
func (f *Framer) release() {
	if f.spent {
		f.putBack()
	}
}

func (f *Framer) putBack() {
	if f.buf != nil {
		*f.buf = (*f.buf)[:0]
		buffers.Put(f.buf)
	}
	f.buf, f.cut, f.spent = nil, 0, false
}

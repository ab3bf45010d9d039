// SPDX-License-Identifier: Apache-2.0

package sipparse

import "bytes"

// scan finds line ends in a stream, with what it must remember between two
// chunks. The rules are those of Parser.line: LF ends a line; CR LF too; CR
// alone too; CR CR LF too if the line has bytes. An empty line ends the head.
type scan uint8

const (
	scanStart  scan = iota // at the start of a line
	scanCR1                // after a CR at the start of a line
	scanInside             // inside a line
	scanCR                 // after a CR at the end of a line
	scanCRCR               // after two
)

type lineEnd uint8

const (
	lineMore  lineEnd = iota // not in these bytes
	lineDone                 // the line is complete
	lineEmpty                // an empty line is complete
)

// line reads b up to and including the end of the current line and returns how
// many bytes that is. A line that ends in CR alone is known to be complete only
// at the byte after it, which is not counted.
func (s *scan) line(b []byte) (int, lineEnd) {
	i := 0
	for i < len(b) {
		did(1)
		c := b[i]
		switch *s {
		case scanStart:
			switch c {
			case '\n':
				return i + 1, lineEmpty
			case '\r':
				*s = scanCR1
				i++
			default:
				*s = scanInside
			}
		case scanCR1:
			*s = scanStart
			if c == '\n' {
				i++
			}
			return i, lineEmpty
		case scanInside:
			// A window, so that lines that end in CR alone do not each look
			// for an LF to the end of the bytes.
			w := b[i:min(len(b), i+scanWindow)]
			lf := bytes.IndexByte(w, '\n')
			if lf >= 0 {
				w = w[:lf]
			}
			did(len(w))
			cr := bytes.IndexByte(w, '\r')
			switch {
			case cr >= 0 && cr+1 == lf:
				*s = scanStart
				return i + lf + 1, lineDone
			case cr >= 0:
				*s = scanCR
				i += cr + 1
			case lf >= 0:
				*s = scanStart
				return i + lf + 1, lineDone
			default:
				i += len(w)
			}
		case scanCR:
			switch c {
			case '\n':
				*s = scanStart
				return i + 1, lineDone
			case '\r':
				*s = scanCRCR
				i++
			default:
				*s = scanStart
				return i, lineDone
			}
		case scanCRCR:
			*s = scanStart
			if c == '\n' {
				return i + 1, lineDone
			}
			return i, lineEmpty // the second CR is a line of its own
		}
	}
	return i, lineMore
}

const scanWindow = 128

// cutLineEnd returns line without the CRs and LFs at its end.
func cutLineEnd(line []byte) []byte {
	for n := len(line); n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'); n-- {
		line = line[:n-1]
	}
	return line
}

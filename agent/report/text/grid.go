// SPDX-License-Identifier: Apache-2.0

package text

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// column of a grid. If the line is too long its cells are cut, down to min;
// those of a column without min are never cut.
type column struct {
	min   int
	first bool // gives way before the others
	right bool // numbers
	tail  bool // of a cell that is cut, the end tells more than the middle
}

// grid is a table; its first row is the heading.
type grid struct {
	columns []column
	rows    [][]string
}

// narrow is up to which width cells are close together and brief.
const narrow = 100

func (o options) narrow() bool { return o.width > 0 && o.width <= narrow }

// write fits the columns into the width, and cuts the list at its limit with a
// line that says so.
func (g grid) write(w io.Writer, o options) {
	more := 0
	if len(g.rows) > o.rows+1 {
		more = len(g.rows) - 1 - o.rows
		g.rows = g.rows[:o.rows+1]
	}
	gap := 2
	if o.narrow() {
		gap = 1
	}
	widths := make([]int, len(g.columns))
	for _, row := range g.rows {
		for i := range row {
			row[i] = clean(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	if o.width > 0 {
		g.fit(widths, o.width-gap*(len(widths)-1))
	}
	for _, row := range g.rows {
		var line strings.Builder
		for i, cell := range row {
			cell = cut(cell, widths[i], g.columns[i].tail)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if g.columns[i].right {
				cell = pad + cell
			} else {
				cell += pad
			}
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", gap))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
	if more > 0 {
		fmt.Fprintf(w, "... and %s more, which --format json shows\n", number(more))
	}
}

// fit takes from whatever column has most to spare until the cells are within
// the limit, or nothing can give.
func (g grid) fit(widths []int, limit int) {
	total := 0
	for _, n := range widths {
		total += n
	}
	for _, first := range []bool{true, false} {
		for total > limit {
			widest, spare := -1, 0
			for i, c := range g.columns {
				if s := widths[i] - c.min; c.min > 0 && c.first == first && s > spare {
					widest, spare = i, s
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
			total--
		}
	}
}

// cut shortens s to n columns.
func cut(s string, n int, tail bool) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	if n <= 2 {
		return string(runes[:n])
	}
	if tail {
		keep := min(n-2, (n-1)/2+2)
		return string(runes[:n-2-keep]) + ".." + string(runes[len(runes)-keep:])
	}
	return string(runes[:n-2]) + ".."
}

// clean makes s safe for a terminal: what other programs chose, such as the
// name of a process, must not move the cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

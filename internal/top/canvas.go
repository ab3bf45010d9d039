// SPDX-License-Identifier: Apache-2.0

package top

import (
	"strings"
	"unicode"
)

// style says what a text means; the terminal decides how it looks.
type style uint8

const (
	plain style = iota
	dim
	strong
	head
	chosen
	bad
	warn
	info
	good
	numStyles
)

// canvas is a screen in memory: what is drawn can be tested as text.
type canvas struct {
	width, height int
	cells         []cell
}

type cell struct {
	r rune
	s style
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, cells: make([]cell, width*height)}
	for i := range c.cells {
		c.cells[i].r = ' '
	}
	return c
}

// put writes text from x on, in at most n cells, and returns how many it took.
func (c *canvas) put(x, y, n int, text string, s style) int {
	if y < 0 || y >= c.height {
		return 0
	}
	if n = min(n, c.width-x); n <= 0 {
		return 0
	}
	taken := 0
	for _, r := range text {
		if taken == n {
			c.cells[y*c.width+x+n-1].r = '…'
			break
		}
		c.cells[y*c.width+x+taken] = cell{visible(r), s}
		taken++
	}
	return taken
}

// fill gives a whole line a style.
func (c *canvas) fill(y int, s style) {
	if y < 0 || y >= c.height {
		return
	}
	for x := range c.width {
		c.cells[y*c.width+x].s = s
	}
}

// visible replaces what a terminal would act on, or draw in more or less than
// one cell: names of processes are anybody's.
func visible(r rune) rune {
	const wide = 0x1100 // from here on some take two cells
	switch {
	case r == '…' || r == '→' || r == '←' || r == '↑' || r == '↓':
		return r
	case r >= wide || !unicode.IsPrint(r) || unicode.Is(unicode.Mn, r):
		return '.'
	}
	return r
}

// String is the text, without blanks at the ends of lines.
func (c *canvas) String() string {
	var b strings.Builder
	for y := range c.height {
		line := make([]rune, 0, c.width)
		for _, cell := range c.cells[y*c.width : (y+1)*c.width] {
			line = append(line, cell.r)
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	return b.String()
}

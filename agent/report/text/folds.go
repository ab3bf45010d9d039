// SPDX-License-Identifier: Apache-2.0

package text

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/viaduct-project/viaduct/agent/report"
)

// folds finds the connections of a peer that ended alike: a peer that opens one
// for each request fills a screen with the same line.
type folds map[string]*fold

type fold struct {
	row, n int
	remote string
}

// cells of a row of connections that tell one from its like.
const (
	cellRemote = 0
	cellHolder = 1
	cellAge    = 5
	cellIdle   = 6
)

// fold says whether a connection is like one above it, and counts it there if it
// is; else its line is the one with the number at.
func (all folds) fold(c *report.Connection, row []string, at int) bool {
	if c.Closed == nil {
		return false
	}
	key := slices.Clone(row)
	switch { // the port of the end that opened it is never the same
	case c.Initiator == "remote":
		key[cellRemote] = arrow(c) + host(c.Remote)
	case c.Initiator == "local" && key[cellHolder] == c.Local:
		key[cellHolder] = host(c.Local)
	}
	key[cellAge], key[cellIdle] = "", ""
	joined := strings.Join(key, "\x00")
	if f := all[joined]; f != nil {
		f.n++
		return true
	}
	all[joined] = &fold{at, 1, key[cellRemote]}
	return false
}

// count writes the numbers into the rows, and says whether any is above one.
func (all folds) count(rows [][]string) (folded bool) {
	for _, f := range all {
		if f.n > 1 {
			folded = true
			rows[f.row][cellRemote] = fmt.Sprintf("%s x%d", f.remote, f.n)
		}
	}
	return folded
}

func host(end string) string {
	if a, err := netip.ParseAddrPort(end); err == nil {
		return a.Addr().String()
	}
	return end
}

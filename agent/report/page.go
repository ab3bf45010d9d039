// SPDX-License-Identifier: Apache-2.0

package report

import "time"

// Page is a piece of a report: what somebody asked for of the connections, the
// findings, the peers or the actions. Lists that were not asked for are null,
// but for the findings on the connections of the page, to which their indexes
// lead. Next is where the next piece begins, null if this is the last.
type Page struct {
	Schema      string       `json:"schema"`
	At          time.Time    `json:"at"`
	Connections []Connection `json:"connections"`
	Peers       []Peer       `json:"peers"`
	Findings    []Finding    `json:"findings"`
	Actions     []Action     `json:"actions"`
	Next        *string      `json:"next"`
}

// PageSchema names the format.
const PageSchema = "viaduct.page/v1"

// Counts are the figures of the whole, and what is true of all of it.
type Counts struct {
	Schema   string            `json:"schema"`
	Source   string            `json:"source"`
	Started  time.Time         `json:"started"`
	At       time.Time         `json:"at"`
	Host     Host              `json:"host"`
	Open     int               `json:"open"`   // connections
	Closed   int               `json:"closed"` // that are remembered
	Peers    int               `json:"peers"`
	Actions  int               `json:"actions"`
	Messages uint64            `json:"messages"`
	Findings FindingCounts     `json:"findings"`
	Lost     Lost              `json:"lost"`
	Features map[string]string `json:"features"`
}

// CountsSchema names the format.
const CountsSchema = "viaduct.summary/v1"

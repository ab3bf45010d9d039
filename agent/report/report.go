// SPDX-License-Identifier: Apache-2.0

// Package report holds the report that viaduct gives: its JSON form is the
// schema viaduct.report/v1, which users script against. Durations are seconds
// as numbers, and what does not apply or is not known is null, never a made-up
// value.
package report

import (
	"encoding/json"
	"io"
	"time"
)

// Schema names the format; it changes only when a reader has to.
const Schema = "viaduct.report/v1"

// Report is what was seen between Started and Ended.
type Report struct {
	Schema      string            `json:"schema"`
	Source      string            `json:"source"` // live or pcap
	Started     time.Time         `json:"started"`
	Ended       time.Time         `json:"ended"`
	Host        Host              `json:"host"`
	Connections []Connection      `json:"connections"`
	Peers       []Peer            `json:"peers"`
	Findings    []Finding         `json:"findings"`
	Actions     []Action          `json:"actions"`
	Summary     Summary           `json:"summary"`
	Lost        Lost              `json:"lost"`
	Features    map[string]string `json:"features"`
}

// Host is where the report was made.
type Host struct {
	Name   string `json:"name"`
	Kernel string `json:"kernel"`
}

// Finding is one breach or advice. Evidence is the header line or the figures
// that show it, never a body or a credential.
type Finding struct {
	ID         string    `json:"id"` // stable within the report
	Rule       string    `json:"rule"`
	Severity   string    `json:"severity"` // violation, advice, info
	Party      string    `json:"party"`    // local, peer, unknown
	Address    string    `json:"address"`  // of the party, also where the side is unknown; empty if nobody is at fault for sure
	Connection string    `json:"connection"`
	Time       time.Time `json:"time"`  // first seen
	Last       time.Time `json:"last"`  // seen last
	Count      uint32    `json:"count"` // how often
	Summary    string    `json:"summary"`
	Evidence   string    `json:"evidence"`
	Source     string    `json:"source"`
}

// Action is something done, or in a dry run not done, to a connection.
type Action struct {
	Action     string    `json:"action"`
	Mode       string    `json:"mode"`
	Connection string    `json:"connection"`
	Local      string    `json:"local"`
	Remote     string    `json:"remote"`
	Outcome    string    `json:"outcome"`
	Reason     string    `json:"reason"`
	Time       time.Time `json:"time"`  // the first time
	Last       time.Time `json:"last"`  // the last time
	Count      uint32    `json:"count"` // how often
}

// Summary counts what the lists hold.
type Summary struct {
	Connections int           `json:"connections"`
	Persistent  int           `json:"persistent"`
	Findings    FindingCounts `json:"findings"`
}

// FindingCounts are findings by severity.
type FindingCounts struct {
	Violation int `json:"violation"`
	Advice    int `json:"advice"`
	Info      int `json:"info"`
}

// Add counts a finding.
func (n *FindingCounts) Add(severity string) {
	switch severity {
	case "violation":
		n.Violation++
	case "advice":
		n.Advice++
	default:
		n.Info++
	}
}

// Lost is all that was not seen or not kept, by reason. The first group is
// counted by the source of the events, the second by the core.
type Lost struct {
	RingFull     uint64 `json:"ring_full"`     // records the kernel could not hand over
	MapFull      uint64 `json:"map_full"`      // sockets the source could not remember
	QueueOverrun uint64 `json:"queue_overrun"` // records dropped between reader and core

	CaptureDropped uint64 `json:"capture_dropped"` // packets that the capture file says it does not hold
	Unreadable     uint64 `json:"unreadable"`      // packets of the capture file whose headers could not be read
	Fragments      uint64 `json:"fragments"`       // datagrams of which fragments were missing

	Truncated        uint64 `json:"truncated"`          // segments or datagrams cut by the source
	SequenceGaps     uint64 `json:"sequence_gaps"`      // holes in TCP streams
	SequenceGapBytes uint64 `json:"sequence_gap_bytes"` // bytes in them
	ParseErrors      uint64 `json:"parse_errors"`       // messages and filler that could not be read
	Unclaimed        uint64 `json:"unclaimed"`          // segments that no connection asked for in time
	Implausible      uint64 `json:"implausible"`        // segments far outside of their stream's window
	Evicted          uint64 `json:"evicted"`            // state and closed records dropped at a limit
}

// Total says whether anything was lost.
func (l Lost) Total() uint64 {
	return l.RingFull + l.MapFull + l.QueueOverrun + l.CaptureDropped + l.Unreadable + l.Fragments + l.Truncated + l.SequenceGaps + l.ParseErrors +
		l.Unclaimed + l.Implausible + l.Evicted
}

// WriteJSON writes r, indented, with a final newline.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

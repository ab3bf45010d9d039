// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/viaduct-project/viaduct/agent/report"
)

// Result is what the guest found. A guest that could not finish still sends
// what it has: Steps then ends with the one that failed.
type Result struct {
	Release string
	Steps   []Step `json:",omitempty"`
	Runs    []Run  `json:",omitempty"`

	Calls  []Call         `json:",omitempty"` // played while viaduct watched
	Load   *Load          `json:",omitempty"` // played by others meanwhile
	Report *report.Report `json:",omitempty"` // on them
}

// Call is one SIP call that the guest played between two of its own sockets.
type Call struct {
	Network                string // tcp, tls or udp
	Caller, Called         string // address and port
	FromCaller, FromCalled int    // bytes
	Older                  bool   // connected before viaduct watched
	Scout                  bool   // connected so that the guest's TLS is probed; nothing is said
}

// Load are requests and responses over TLS, of a client to a server that are
// processes of their own.
type Load struct {
	Server      string // its address; nobody else's
	Connections int
	Each        uint32 // requests on each connection
}

// Step is one thing that the guest tried. An empty Error is success.
type Step struct {
	Name    string
	Error   string `json:",omitempty"`
	Seconds float64
}

// Run is a command that the guest ran to its end.
type Run struct {
	Args           []string
	Exit           int // -1 if a signal ended it
	Stdout, Stderr string
	Seconds        float64
}

// marker begins the one console line that holds the result.
const marker = "VIADUCT-RESULT "

// WriteTo sends the result as one line.
func (r *Result) WriteTo(w io.Writer) (int64, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	n, err := fmt.Fprintf(w, "\n%s%s\n", marker, b)
	return int64(n), err
}

// ErrNoResult means that the guest ended without a result.
var ErrNoResult = errors.New("no result on the guest's console")

// Parse finds the result on a console.
func Parse(console []byte) (*Result, error) {
	for line := range bytes.Lines(console) {
		b, found := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte(marker))
		if !found {
			continue
		}
		r := new(Result)
		if err := json.Unmarshal(b, r); err != nil {
			return nil, fmt.Errorf("read the guest's result: %w", err)
		}
		return r, nil
	}
	return nil, ErrNoResult
}

// SPDX-License-Identifier: Apache-2.0

// Package saved is what one agent leaves for the next on the same host: what
// was said on the connections that are open. Nothing of a body or a credential
// is in it, and of identifiers only numbers that stand for them.
package saved

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/viaduct-project/viaduct/agent/assist"
	"github.com/viaduct-project/viaduct/agent/class"
	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Format is that of the JSON. It changes with every field and number in it
// that means something else than before; a file of another format is not read.
const Format = 1

const (
	// MaxConnections is how many connections are saved; those on which
	// something is negotiated go before others.
	MaxConnections = 50_000
	// MaxBytes is the longest file that is read or written.
	MaxBytes = 128 << 20
)

// State is that of one agent. It does not say when it was saved, so that it
// only changes when something happened.
type State struct {
	Format      int                   `json:"format"`
	Boot        string                `json:"boot"` // socket cookies begin anew with the host
	Connections []Connection          `json:"connections"`
	Programs    []assist.SavedProgram `json:"programs,omitempty"`
	Omitted     int                   `json:"omitted"` // connections for which there was no room
}

// Connection is one TCP socket or UDP flow.
type Connection struct {
	Socket    uint64          `json:"socket"` // cookie
	NetNS     uint64          `json:"netns"`  // cookie, 0 if not known
	Transport event.Transport `json:"transport"`
	Local     netip.AddrPort  `json:"local"`
	Remote    netip.AddrPort  `json:"remote"`
	Initiator event.Side      `json:"initiator"`
	Opened    event.Time      `json:"opened"`         // 0 if not known
	Last      event.Time      `json:"last,omitempty"` // last datagram of a flow

	Messages   report.Messages  `json:"messages"`
	Sent       class.Requests   `json:"sent"`
	Received   class.Requests   `json:"received"`
	Registered message.Label    `json:"registered"`
	SentBy     string           `json:"sent_by,omitempty"`
	Negotiated *negotiate.Saved `json:"negotiated,omitempty"`
	Upkeep     *assist.Rested   `json:"upkeep,omitempty"`
}

// Encode sorts the connections of s and returns its text: the same for the same
// connections in whatever order.
func Encode(s *State) ([]byte, error) {
	slices.SortFunc(s.Connections, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(a.Socket, b.Socket), a.Remote.Compare(b.Remote))
	})
	text, err := json.Marshal(s)
	if err == nil && len(text) > MaxBytes {
		err = fmt.Errorf("encode the state: %d bytes, more than %d", len(text), MaxBytes)
	}
	return text, err
}

// ErrFormat: the file is of another version of viaduct.
var ErrFormat = errors.New("another format")

// Decode reads the text of a State. What it returns can be restored.
func Decode(text []byte) (*State, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("no state of an agent: %w", err)
	}
	if head.Format != Format {
		return nil, fmt.Errorf("%w: %d, not %d", ErrFormat, head.Format, Format)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("no state of an agent: %w", err)
	}
	if len(s.Connections) > MaxConnections {
		return nil, fmt.Errorf("%d connections, more than %d", len(s.Connections), MaxConnections)
	}
	for i := range s.Connections {
		if c := &s.Connections[i]; !c.valid() {
			return nil, fmt.Errorf("connection %d cannot have been saved by an agent", i+1)
		}
	}
	return &s, nil
}

func (c *Connection) valid() bool {
	return c.Transport >= event.TCP && c.Transport <= event.UDP && c.Initiator <= event.Remote &&
		c.Local.IsValid() && c.Remote.IsValid() && (c.Negotiated == nil || c.Negotiated.Valid())
}

// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"time"

	"github.com/viaduct-project/viaduct/agent/fact"
	"github.com/viaduct-project/viaduct/agent/policy"
)

// Action is what the operator's policy may have done to a connection.
type Action uint8

const (
	Close         Action = iota // end it
	Protect                     // have the kernel probe it, so that it is not lost in silence
	KeepaliveTCP                // the same, as often as keep-alives were promised
	KeepaliveCRLF               // send a ping for its program
	KeepaliveSTUN               // send a Binding request for its program
	Limit                       // drop a SYN that came in
	Refuse                      // refuse a connect of this host
	NumActions
)

var actions = [NumActions]string{"close", "protect", "keepalive-tcp", "keepalive-crlf", "keepalive-stun", "limit", "refuse"}

func (a Action) String() string { return actions[a] }

// Keepalive says whether a keeps a connection alive for its program.
func (a Action) Keepalive() bool { return a >= KeepaliveTCP && a <= KeepaliveSTUN }

// Wish is an action that the policy asks for. Whether it is still right is
// looked at again at the moment of acting.
type Wish struct {
	Action Action
	Conn   *fact.Conn
	Mode   policy.Mode   // DryRun or Enforce
	Hard   bool          // Close: by reset, if that is what it takes
	Idle   time.Duration // Close: only if nothing has come or gone for so long
	Reason string
	Stands func() bool // Close: whether there is a reason still; nil: there is

	Probe   policy.TCPKeepalive // Protect, KeepaliveTCP: what is set on the socket
	Seq     uint32              // KeepaliveCRLF: only if this is the next byte of the stream
	ID      [12]byte            // KeepaliveSTUN: transaction
	Swallow bool                // KeepaliveSTUN: keep the answer from the program
}

// maxWishes bounds what waits for somebody to act; what finds no room is asked
// for again by its rule.
const maxWishes = 10_000

// Wish asks for an action on the scene's connection, unless its policy only
// observes. Conn and Mode are filled in.
func (x *Scene) Wish(w Wish) {
	mode := x.Conn.Row.Enforce
	if mode == policy.Observe || len(x.engine.wishes) >= maxWishes {
		return
	}
	w.Conn, w.Mode, w.Reason = x.Conn, mode, printable(w.Reason)
	x.engine.wishes = append(x.engine.wishes, w)
}

// Wishes returns what was asked for since the last call.
func (e *Engine) Wishes() []Wish {
	all := e.wishes
	e.wishes = nil
	return all
}

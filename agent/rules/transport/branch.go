// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/sipparse"
)

var branchCookie = rule.Rule{
	ID:       "TP-19",
	Source:   "RFC 3261 section 8.1.1.7",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "The branch of the topmost Via begins with z9hG4bK and goes on with something unique.",
	Broken:   "The topmost Via of a request has no branch of RFC 3261",
	Silent:   "CANCEL and the ACK of a known INVITE repeat a branch. Programs of RFC 2543 are matched by other fields.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Request: noCookie},
}

const cookie = len("z9hG4bK")

func noCookie(x *rule.Scene) {
	via := &x.Msg.Via
	if via.Cookie() && len(via.Branch) > cookie {
		return
	}
	if x.Verdict == transaction.Retransmission || x.Msg.Method == sipparse.MethodCancel || x.Verdict == transaction.Ack && x.Tx != nil {
		return
	}
	x.Raise(x.Writer(), "Via: %s", via.Raw)
}

var branchUnique = rule.Rule{
	ID:       "TP-20",
	Source:   "RFC 3261 section 8.1.1.7",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "A branch stands for one transaction; only CANCEL and the ACK for a final response other than 2xx repeat that of their INVITE.",
	Broken:   "A request has the branch of an earlier transaction",
	Silent:   "Branches without the cookie need not be unique. The newest of the requests are remembered, some thousands.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Request: branchAgain},
}

// branch is what is remembered of a request.
type branch struct {
	key  uint64
	call uint64
	cseq uint32
}

// branchSlots is how many are remembered; a newer one takes the place of an
// older one that its key happens to share.
const branchSlots = 1 << 12

// branchAgain compares with the request that had the branch before. ACK is no
// request here, but one for a 2xx is a transaction of its own.
func branchAgain(x *rule.Scene) {
	if x.Tx == nil {
		return
	}
	if x.Msg.Method == sipparse.MethodAck {
		if x.Tx.Status()/100 == 2 && x.Verdict == transaction.Ack {
			x.Raise(x.Writer(), "Via: %s of %s is that of its INVITE, which has a 2xx", x.Msg.Via.Raw, x.Msg.Label())
		}
		return
	}
	if x.Msg.Method == sipparse.MethodCancel || len(x.Msg.Via.Branch) <= cookie || !x.Msg.Via.Cookie() {
		return
	}
	if x.Verdict == transaction.Retransmission {
		if x.Tx.Asked.CSeq != x.Msg.CSeq.N {
			raiseBranch(x, x.Tx.Asked.CSeq)
		}
		return
	}
	m := mine(x)
	if m.branches == nil {
		m.branches = new([branchSlots]branch)
	}
	b := &m.branches[x.Tx.Key.Hash%branchSlots]
	if b.key != x.Tx.Key.Hash {
		*b = branch{x.Tx.Key.Hash, x.Tx.Asked.Call, x.Tx.Asked.CSeq}
		return
	}
	if b.call != x.Tx.Asked.Call || b.cseq != x.Tx.Asked.CSeq {
		raiseBranch(x, b.cseq)
	}
}

func raiseBranch(x *rule.Scene, cseq uint32) {
	x.Raise(x.Writer(), "Via: %s of %s was used by CSeq %d before", x.Msg.Via.Raw, x.Msg.Label(), cseq)
}

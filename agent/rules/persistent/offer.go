// SPDX-License-Identifier: Apache-2.0

package persistent

import (
	"bytes"

	"github.com/viaduct-project/viaduct/agent/message"
	"github.com/viaduct-project/viaduct/agent/negotiate"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/agent/transaction"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

const draft = "draft-jain-sipping-persistent-conn-reqs "

var viaFlag = rule.Rule{
	ID:       "PERS-01",
	Source:   draft + "01 section 8.1, 02 and 03 section 6.1",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "persistent on the topmost Via says that the sender means to keep the connection. It is a flag without a value.",
	Broken:   "persistent has a value, or stands twice on one Via value",
	Silent:   "CANCEL and ACK, which inherit the Via of the INVITE. The flag itself is no fault: it is an offer.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: oddFlag},
}

var dialogOnly = rule.Rule{
	ID:       "PERS-09",
	Source:   draft + "01 section 5, 02 and 03 section 3",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "A persistent connection comes from a request that begins a dialog.",
	Broken:   "persistent is offered by requests that begin no dialog, and only by such",
	Silent:   "Until 32 s after the first offer, as an INVITE may follow. The offer counts all the same.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: offersOutsideDialogs},
}

var bothSigns = rule.Rule{
	ID:       "PERS-11",
	Source:   draft + "01 section 8.2, 02 and 03 section 6.2",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "Who offers by the option tag persistence also writes persistent on the Via.",
	Broken:   "The option tag persistence is there without persistent on the topmost Via",
	Silent:   "The Via parameter alone, which is the whole of the draft's first solution. Requests of the side that accepted the connection.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: tagAlone},
}

var token = rule.Rule{
	ID:       "PERS-18",
	Source:   draft + "01 section 8.3",
	Severity: rule.Advice,
	Fault:    "request sender",
	Asks:     "The Via transport PTCP stands for TCP that is kept without a time limit.",
	Broken:   "The Via says PTCP on a connection that is not plain TCP",
	Silent:   "PTCP on TCP: version 01 has it, later ones do not, and it is understood as an offer.",
	Check:    rule.Check{Only: rule.New | rule.Reuse, Request: wrongToken},
}

var others = rule.Rule{
	ID:       "PERS-19",
	Source:   draft + "01 section 7, 02 and 03 section 5",
	Severity: rule.Advice,
	Fault:    "peer or local with persistence",
	Asks:     "Who supports persistent connections serves those who do not as well.",
	Broken:   "Requests are rejected because they do not offer persistence",
	Silent:   "Until three requests without the option tag were answered 421 with Require: persistence. Connections that are closed tell too little.",
	Scope:    rule.PerPeer,
	Check:    rule.Check{Only: rule.New | rule.Failure, Response: demands},
}

func oddFlag(x *rule.Scene) {
	if !x.Msg.Via.Persistent || x.Verdict != transaction.Fresh || x.Msg.Method == sipparse.MethodCancel {
		return
	}
	n, valued := 0, false
	var p sipparse.Param
	for list := sipparse.Params(x.Msg.Via.Params); list.Next(&p); {
		if bytes.EqualFold(p.Name, []byte("persistent")) {
			n++
			valued = valued || p.HasValue
		}
	}
	if n > 1 || valued {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

// formsDialog says whether the method begins dialogs (RFC 3261 section 12,
// RFC 6665, RFC 3515).
func formsDialog(m sipparse.Method) bool {
	return m == sipparse.MethodInvite || m == sipparse.MethodSubscribe || m == sipparse.MethodRefer
}

func offersOutsideDialogs(x *rule.Scene) {
	if offering(x) == nil {
		return
	}
	l, p := linkOf(x.Conn), &x.Conn.Neg.Persistent
	l.dialog = l.dialog || formsDialog(x.Msg.Method) || len(x.Msg.ToTag) > 0
	if l.dialog || p.At != x.Now || x.Conn.MidLife || p.Offer.Label != x.Msg.Label() {
		return
	}
	label, writer := x.Msg.Label(), x.Writer()
	x.After(negotiate.Linger, func(x *rule.Scene) {
		if !l.dialog {
			x.Raise(writer, "%s offers persistent, no request that begins a dialog did", label)
		}
	})
}

func tagAlone(x *rule.Scene) {
	if x.Msg.Supported&message.Persistence == 0 && x.Msg.Require&message.Persistence == 0 {
		return
	}
	if o := offering(x); o != nil && !o.ViaFlag && !o.PTCP {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

func wrongToken(x *rule.Scene) {
	if x.Msg.Via.Transport == sipparse.TransportPTCP && x.Verdict == transaction.Fresh && x.Conn.Transport != event.TCP {
		x.Raise(x.Writer(), "Via: %s", x.Msg.Via.Raw)
	}
}

// demanded is how many rejections make a habit.
const demanded = 3

func demands(x *rule.Scene) {
	if x.Msg.Status != 421 || x.Verdict != transaction.Final || x.Msg.Require&message.Persistence == 0 || x.Tx.Offer.Persistent() {
		return
	}
	if n := x.Tally(); n >= demanded {
		x.Raise(x.Writer(), "421 for %s with Require: persistence, the %dth", x.Msg.Label(), n)
	}
}

// SPDX-License-Identifier: Apache-2.0

package persistent

import "github.com/viaduct-project/viaduct/agent/rule"

// What decides how a connection is classified, and cannot be broken.
var (
	choice = rule.Rule{
		ID: "PERS-04", Source: draft + "01 section 8.1, 02 and 03 section 6.1", Severity: rule.Info, Fault: "acceptor",
		Asks:     "The server chooses: it goes on using the connection, or it closes it after the transaction.",
		Silent:   "It decides the outcome of an offer: honoured, declined, or offered as long as nothing shows it. A close after the transaction is a refusal and no fault.",
		Standing: rule.Recognised,
	}
	mayDeny = rule.Rule{
		ID: "PERS-23", Source: draft + "01 section 5, 02 and 03 section 3", Severity: rule.Info, Fault: "acceptor",
		Asks:     "The acceptor may agree to reuse or deny it.",
		Silent:   "It is a permission; the outcome of the offer is shown.",
		Standing: rule.Recognised,
	}
	oneWay = rule.Rule{
		ID: "PERS-24", Source: draft + "01 section 5, 02 and 03 section 3", Severity: rule.Info, Fault: "acceptor",
		Asks:     "persistent may be meant for one direction; then the other side opens a persistent connection of its own.",
		Silent:   "It decides how a pair is taken: as no fault, unless an alias was used too (PERS-21).",
		Standing: rule.Recognised,
	}
	discretion = rule.Rule{
		ID: "PERS-27", Source: draft + "01 section 7, 02 and 03 section 5", Severity: rule.Info, Fault: "-",
		Asks:     "Persistent connections serve different kinds of entities, at their own discretion and in agreement with the peer.",
		Silent:   "It is a requirement on the mechanism, which no message breaks.",
		Standing: rule.Recognised,
	}
	classes = rule.Rule{
		ID: "PERS-28", Source: draft + "01 section 7, 02 and 03 section 5", Severity: rule.Info, Fault: "-",
		Asks:     "A connection can be asked for as uni-directional ephemeral, bi-directional ephemeral or persistent.",
		Silent:   "It decides the class that is expected of a connection, beside the one that is observed.",
		Standing: rule.Recognised,
	}
)

// What would need the certificates.
var hijack = rule.Rule{
	ID: "PERS-26", Source: draft + "01 section 9", Severity: rule.Advice, Fault: "acceptor",
	Asks:     "Requests go back on a shared connection only for an identity that was proven on it.",
	Silent:   "The names in the certificates are known to the TLS library only. AL-06 judges the address.",
	Standing: rule.Unseen,
}

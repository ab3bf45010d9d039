// SPDX-License-Identifier: Apache-2.0

package alias

import "github.com/viaduct-project/viaduct/agent/rule"

// What decides how a connection is classified, and cannot be broken.
var (
	policy = rule.Rule{
		ID: "AL-11", Source: "RFC 5923 section 8.2", Severity: rule.Info, Fault: "acceptor",
		Asks:     "Whether an alias is used is for the acceptor to decide.",
		Silent:   "It is a permission. An acceptor that opens a connection of its own is shown as an alias that is not used.",
		Standing: rule.Recognised,
	}
	outlives = rule.Rule{
		ID: "AL-12", Source: "RFC 5923 section 6", Severity: rule.Info, Fault: "-",
		Asks:     "Sharing a connection outlives the transactions and dialogs on it.",
		Silent:   "It is a design goal. AL-03 and AL-17 judge the two ends, and the class says whether a connection was used after a dialog.",
		Standing: rule.Recognised,
	}
	anyPort = rule.Rule{
		ID: "AL-13", Source: "RFC 5923 section 6", Severity: rule.Info, Fault: "-",
		Asks:     "A client may send from any port; its sent-by names the one it listens at.",
		Silent:   "It is a permission: a source port other than the sent-by's raises nothing.",
		Standing: rule.Recognised,
	}
	withKeep = rule.Rule{
		ID: "AL-16", Source: "RFC 6223 section 6", Severity: rule.Info, Fault: "-",
		Asks:     "Who wants reuse and keep-alives on one connection writes both alias and keep.",
		Silent:   "The two are decided separately and shown side by side: keep=N in an answer says nothing about the alias.",
		Standing: rule.Recognised,
	}
	unconfirmed = rule.Rule{
		ID: "AL-21", Source: "RFC 5923 section 8.1", Severity: rule.Info, Fault: "-",
		Asks:     "No message confirms an alias; only a new request that comes back shows it.",
		Silent:   "It decides the state of an alias: offered, used, or not used. The alias that a response repeats counts for nothing.",
		Standing: rule.Recognised,
	}
	lowerVias = rule.Rule{
		ID: "AL-33", Source: "RFC 5923 sections 6 and 8.2", Severity: rule.Info, Fault: "-",
		Asks:     "Only an alias on the topmost Via is about this hop.",
		Silent:   "It decides what is read: an alias on a lower Via belongs to an earlier hop and is passed over.",
		Standing: rule.Recognised,
	}
)

// What would need the certificates, the alerts or the DNS answers.
var (
	servers = rule.Rule{
		ID: "AL-14", Source: "RFC 5923 section 10", Severity: rule.Info, Fault: "request sender",
		Asks:     "Each request chooses its server by DNS first, and then the aliased connection to that server.",
		Silent:   "It needs the DNS answers that the sender got, and priorities or a dead server would look the same.",
		Standing: rule.Unseen,
	}
	afterAlert = rule.Rule{
		ID: "AL-31", Source: "RFC 5923 section 8.3", Severity: rule.Violation, Fault: "closer",
		Asks:     "After its own closure alert the closer throws away what still comes in, until the alert of the other side.",
		Silent:   "In TLS 1.3 closure alerts cannot be told from other records; in TLS 1.2 they can, but a message that came in behind one and was acted on cannot be told from one that was on its way.",
		Standing: rule.Unseen,
	}
)

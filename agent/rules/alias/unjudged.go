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
	clientCertificate = rule.Rule{
		ID: "AL-04", Source: "RFC 5923 sections 8.2 and 9.2", Severity: rule.Violation, Fault: "server (acceptor)",
		Asks:     "The acceptor uses an alias only if the client has shown a certificate that it could check.",
		Silent:   "Whether a client certificate was shown is known to the TLS library only.",
		Standing: rule.Unseen,
	}
	serverIdentity = rule.Rule{
		ID: "AL-05", Source: "RFC 5923 sections 8.1 and 9.1; RFC 5922 section 7.3", Severity: rule.Violation, Fault: "client (originator)",
		Asks:     "The client checks that the server's certificate names the domain it was looking for, and closes the connection at once if not.",
		Silent:   "The certificate and what the client made of it are known to the TLS library only.",
		Standing: rule.Unseen,
	}
	otherIdentity = rule.Rule{
		ID: "AL-07", Source: "RFC 5923 section 8.2", Severity: rule.Advice, Fault: "server (acceptor)",
		Asks:     "A request goes back on an aliased connection only if the domain it is for is one that the client's certificate names.",
		Silent:   "The names in the client's certificate are known to the TLS library only. AL-06 judges the address.",
		Standing: rule.Unseen,
	}
	servers = rule.Rule{
		ID: "AL-14", Source: "RFC 5923 section 10", Severity: rule.Info, Fault: "request sender",
		Asks:     "Each request chooses its server by DNS first, and then the aliased connection to that server.",
		Silent:   "It needs the DNS answers that the sender got, and priorities or a dead server would look the same.",
		Standing: rule.Unseen,
	}
	noCertificate = rule.Rule{
		ID: "AL-15", Source: "RFC 5923 sections 3 and 9.2", Severity: rule.Info, Fault: "request sender",
		Asks:     "alias does nothing for a client without a certificate; a client behind a NAT needs an outbound flow.",
		Silent:   "Whether the client has a certificate is known to the TLS library only.",
		Standing: rule.Unseen,
	}
	forwardIdentity = rule.Rule{
		ID: "AL-27", Source: "RFC 5923 section 8.1", Severity: rule.Advice, Fault: "client (originator)",
		Asks:     "A client uses an aliased connection again only for domains that the server's certificate names.",
		Silent:   "The names in the server's certificate are known to the TLS library only.",
		Standing: rule.Unseen,
	}
	certificateRequest = rule.Rule{
		ID: "AL-30", Source: "RFC 5923 section 9.2", Severity: rule.Violation, Fault: "server (acceptor)",
		Asks:     "A server that uses aliases asks for a client certificate in the handshake.",
		Silent:   "What the handshake asked for is known to the TLS library only.",
		Standing: rule.Unseen,
	}
	afterAlert = rule.Rule{
		ID: "AL-31", Source: "RFC 5923 section 8.3", Severity: rule.Violation, Fault: "closer",
		Asks:     "After its own closure alert the closer throws away what still comes in, until the alert of the other side.",
		Silent:   "Closure alerts are encrypted: they are known to the TLS library only.",
		Standing: rule.Unseen,
	}
	closureAlert = rule.Rule{
		ID: "AL-32", Source: "RFC 5923 section 8.3", Severity: rule.Info, Fault: "closer",
		Asks:     "A TLS session is ended by a closure alert.",
		Silent:   "Closure alerts are encrypted: whether one went before a FIN is known to the TLS library only.",
		Standing: rule.Unseen,
	}
	serverName = rule.Rule{
		ID: "AL-34", Source: "RFC 5922 section 7.8", Severity: rule.Advice, Fault: "client (originator)",
		Asks:     "A client that can names the domain it wants in the TLS handshake.",
		Silent:   "The server name of the handshake is not read: messages begin where the handshake has ended.",
		Standing: rule.Unseen,
	}
)

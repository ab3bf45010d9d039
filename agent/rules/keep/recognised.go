// SPDX-License-Identifier: Apache-2.0

package keep

import "github.com/viaduct-project/viaduct/agent/rule"

var ignored = rule.Rule{
	ID:       "KEEP-05",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Info,
	Fault:    "receiver",
	Asks:     "A keep on an ACK, or one for a dialog that has its agreement, changes nothing.",
	Silent:   "Always: ignoring leaves no trace. Here such a keep is no offer; who answers it breaks KEEP-20.",
	Standing: rule.Recognised,
}

var topmostOnly = rule.Rule{
	ID:       "KEEP-06",
	Source:   "RFC 6223 sections 3, 4.3",
	Severity: rule.Info,
	Fault:    "request sender",
	Asks:     "Only the topmost Via speaks about the hop on which a message is seen.",
	Silent:   "Always: it says which keep is read. What the Vias below say was negotiated on other hops.",
	Standing: rule.Recognised,
}

var noFrequency = rule.Rule{
	ID:       "KEEP-12",
	Source:   "RFC 6223 section 5, RFC 5626 section 4.4",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "keep=0 in a response accepts keep-alives and leaves to the sender how often they come.",
	Silent:   "Always: it says what is agreed. How often is then for KA-08 and STUN-08, if at all for KEEP-07 and KEEP-32.",
	Standing: rule.Recognised,
}

var notAccepted = rule.Rule{
	ID:       "KEEP-13",
	Source:   "RFC 6223 sections 4.1, 4.3",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "A response whose keep has no value does not accept: a server that does not know keep returns the Via as it came.",
	Silent: "Always: it says what is not agreed. CRLF keep-alives may be sent all the same, STUN is for STUN-02 to " +
		"judge, and a later request of the dialog may offer again.",
	Standing: rule.Recognised,
}

var oneSuffices = rule.Rule{
	ID:       "KEEP-18",
	Source:   "RFC 6223 section 4.3",
	Severity: rule.Info,
	Fault:    "nobody",
	Asks:     "One response with a value agrees on keep-alives for its dialog; later ones without take nothing back.",
	Silent:   "Always: it says when something is agreed, for each To tag by itself.",
	Standing: rule.Recognised,
}

// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/internal/event"
)

// Method is by what a flow is kept alive.
type Method uint8

const (
	TCP  Method = iota + 1 // the kernel's TCP keep-alive: no byte reaches either program
	CRLF                   // a double CRLF in the stream, which a good peer answers with a CRLF that the program reads
	STUN                   // Binding requests, on UDP
)

var methods = [...]string{"none", "tcp", "crlf", "stun"}

func (m Method) String() string { return methods[m] }

// Why a method was chosen.
type Why uint8

const (
	Datagrams   Why = iota + 1 // UDP has no other (RFC 5626 section 4.4.1 forbids CRLF there)
	Encrypted                  // nothing can be put into a TLS stream
	Told                       // the policy says so
	Offered                    // the program offered keep or outbound, so it has to cope with pongs
	Pings                      // the program has been seen to send pings
	Unprepared                 // nothing shows that the program copes with pongs
	Suffers                    // the program was seen to suffer from them
	Unreachable                // putting bytes into its stream was refused
	Blind                      // where a message of the program ends is not known
)

var whys = [...]string{
	Datagrams:   "on UDP, STUN is what RFC 5626 has",
	Encrypted:   "nothing can be put into a TLS stream from outside of the program",
	Told:        "the policy says so",
	Offered:     "the program offered keep or outbound, so it knows pongs",
	Pings:       "the program has been seen to send pings, so it knows pongs",
	Unprepared:  "nothing shows that the program copes with pongs",
	Suffers:     "the program was seen to suffer from pongs",
	Unreachable: "viaduct may not write into the program's stream",
	Blind:       "the program's stream is not known to stand between two messages, as after a restart of viaduct until it sends one",
}

func (w Why) String() string { return whys[w] }

// Facts are what the choice of a method depends on.
type Facts struct {
	Transport event.Transport
	Offers    bool // keep or outbound was offered on this connection, by its program itself
	Pings     bool // its program has sent pings on it
	Program   *Program
	Refused   bool // an earlier attempt to write was
	Blind     bool // the place in the stream is not known
}

// Choose returns the method and the reason for it.
func Choose(m policy.Method, x *Facts) (Method, Why) {
	method, why := choose(m, x)
	if method == CRLF && x.Blind {
		return TCP, Blind
	}
	return method, why
}

func choose(m policy.Method, x *Facts) (Method, Why) {
	p := x.Program
	switch {
	case x.Transport == event.UDP:
		return STUN, Datagrams
	case x.Transport == event.TLS:
		return TCP, Encrypted
	case m == policy.MethodTCP:
		return TCP, Told
	case x.Refused:
		return TCP, Unreachable
	case m == policy.MethodCRLF:
		return CRLF, Told
	case p != nil && p.Suffers != Unharmed:
		return TCP, Suffers
	case x.Offers || p != nil && p.Offers:
		return CRLF, Offered
	case x.Pings || p != nil && p.Pings:
		return CRLF, Pings
	}
	return TCP, Unprepared
}

// Limits says what the method cannot do, "" if nothing.
func (m Method) Limits() string {
	if m == TCP {
		return "keeps NAT bindings and TCP alive; a peer that counts keep-alives in the stream sees none, and no answer is seen"
	}
	return ""
}

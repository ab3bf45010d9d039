// SPDX-License-Identifier: Apache-2.0

package sipparse

// Transport is a transport token of a Via's sent-protocol or of a URI's
// transport parameter. Tokens are case-insensitive (RFC 3261 section 7.3.1).
type Transport uint8

// TransportUnknown is any other token, or none.
const (
	TransportUnknown Transport = iota
	TransportUDP
	TransportTCP
	TransportTLS
	TransportSCTP
	TransportTLSSCTP // RFC 4168
	TransportWS      // RFC 7118
	TransportWSS     // RFC 7118
	TransportPTCP    // draft-jain-sipping-persistent-conn-reqs
)

var transportNames = [...]string{
	TransportUnknown: "unknown", TransportUDP: "UDP", TransportTCP: "TCP", TransportTLS: "TLS",
	TransportSCTP: "SCTP", TransportTLSSCTP: "TLS-SCTP", TransportWS: "WS", TransportWSS: "WSS",
	TransportPTCP: "PTCP",
}

// String returns the token in upper case, or "unknown".
func (t Transport) String() string {
	if int(t) < len(transportNames) {
		return transportNames[t]
	}
	return "unknown"
}

// LookupTransport returns the Transport that token names, or TransportUnknown.
func LookupTransport(token []byte) Transport {
	if len(token) == 3 {
		switch uint32(token[0]|0x20) | uint32(token[1]|0x20)<<8 | uint32(token[2]|0x20)<<16 {
		case 'u' | 'd'<<8 | 'p'<<16:
			return TransportUDP
		case 't' | 'c'<<8 | 'p'<<16:
			return TransportTCP
		case 't' | 'l'<<8 | 's'<<16:
			return TransportTLS
		case 'w' | 's'<<8 | 's'<<16:
			return TransportWSS
		}
		return TransportUnknown
	}
	switch len(token) {
	case 2:
		if foldEqual(token, "ws") {
			return TransportWS
		}
	case 4:
		if foldEqual(token, "sctp") {
			return TransportSCTP
		}
		if foldEqual(token, "ptcp") {
			return TransportPTCP
		}
	case 8:
		if foldEqual(token, "tls-sctp") {
			return TransportTLSSCTP
		}
	}
	return TransportUnknown
}

// SPDX-License-Identifier: Apache-2.0

package tlswire

// Session is what a handshake showed. The zero value says that nothing did.
type Session struct {
	Version uint16 // chosen by the server, 0 if not known
	Suite   uint16 // of that version, known when Version is

	Hello   bool     // a ClientHello was read
	SNI     string   // the server's name that the client wants, "" if it gave none, or none that is one
	ECH     bool     // the real ClientHello may be encrypted within: SNI may be a cover
	Early   bool     // the client offered to send data before the handshake is over
	Offered []string // application protocols
	ALPN    string   // the one chosen; in TLS 1.3 that is encrypted, hence ""

	Resumed Answer // an earlier session goes on
	Client  ClientCertificate

	// By side, as the caller numbers them: an alert was sent after the
	// handshake, which in TLS 1.3 does not show, but the sender's library may
	// tell; the newest record may be one by its length; some were missed.
	Alerted  [2]bool
	MayAlert [2]bool
	Missed   [2]bool

	// Names of the certificates, nil if none was seen or it could not be read.
	ServerNames *Names
	ClientNames *Names
}

// Answer is yes or no, once it is known.
type Answer uint8

const (
	Unknown Answer = iota
	No
	Yes
)

// ClientCertificate is what became of the client's certificate.
type ClientCertificate uint8

const (
	ClientUnknown  ClientCertificate = iota
	ClientNotAsked                   // the server did not ask for one
	ClientAsked                      // it did, the client's answer was not seen
	ClientNone                       // it did, and the client showed none
	ClientGiven
)

var clientNames = [...]string{"unknown", "not-asked", "asked", "none", "given"}

func (c ClientCertificate) String() string { return clientNames[c] }

// NotShown says that surely no client certificate was shown.
func (c ClientCertificate) NotShown() bool { return c == ClientNotAsked || c == ClientNone }

// VersionName is how people write a version, "" for one that is not known.
func VersionName(v uint16) string {
	if v < 0x0300 || v > TLS13 {
		return ""
	}
	return [...]string{"ssl3", "1.0", "1.1", "1.2", "1.3"}[v-0x0300]
}

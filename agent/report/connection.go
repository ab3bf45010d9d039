// SPDX-License-Identifier: Apache-2.0

package report

import "time"

// Connection is one socket of this host, or one UDP flow. Local is the side of
// the process named, remote the other end.
type Connection struct {
	ID        string     `json:"id"`
	Transport string     `json:"transport"`
	Local     string     `json:"local"`
	Remote    string     `json:"remote"`
	Peer      string     `json:"peer"`
	Initiator string     `json:"initiator"`
	Process   *Process   `json:"process"`
	Container *Container `json:"container"`

	Opened           *time.Time `json:"opened"`
	Closed           *time.Time `json:"closed"`
	HandshakeSeconds *float64   `json:"handshake_seconds"`
	Close            *Close     `json:"close"`
	// IdleSeconds is the time since the last byte either way, at the end of
	// the report, of a connection that is still open.
	IdleSeconds         *float64 `json:"idle_seconds"`
	PendingTransactions int      `json:"pending_transactions"`
	// Transactions is how many requests opened one, both ways: no ACK, CANCEL
	// or repeated request.
	Transactions uint32 `json:"transactions"`

	// RequestsBack is how many of them the side sent that did not open the
	// connection; null if it is not known who did.
	RequestsBack *uint32 `json:"requests_back"`

	Class      Class      `json:"class"`
	TLS        *TLS       `json:"tls"` // null unless the transport is tls
	Negotiated Negotiated `json:"negotiated"`
	Messages   Messages   `json:"messages"`
	Keepalives Keepalives `json:"keepalives"`
	Upkeep     *Upkeep    `json:"upkeep"` // null if this host owes no keep-alives here, and viaduct sends none

	BytesSent     uint64   `json:"bytes_sent"`
	BytesReceived uint64   `json:"bytes_received"`
	LostBytes     uint64   `json:"lost_bytes"` // in gaps of the streams
	Retransmits   uint32   `json:"retransmits"`
	SRTTSeconds   *float64 `json:"srtt_seconds"`
	Incomplete    bool     `json:"incomplete"`
	Findings      []int    `json:"findings"` // indexes into Report.Findings
	History       *History `json:"history"`  // null if it is not remembered
}

// History is what went over a connection, the first things and the newest ones.
// LeftOut is how many are missing behind the first ones.
type History struct {
	Since   time.Time `json:"since"` // when the connection was met
	First   int       `json:"first"`
	LeftOut int       `json:"left_out"`
	Marks   []Mark    `json:"marks"`
}

// Mark is one thing that went over a connection.
type Mark struct {
	At     float64 `json:"at"`   // seconds after History.Since
	From   string  `json:"from"` // local, remote, unknown
	Kind   string  `json:"kind"` // request, response, ping, pong, stray-crlf, stun-request, stun-response, malformed, injected (a keep-alive that viaduct sent)
	Method string  `json:"method,omitempty"`
	Status int     `json:"status,omitempty"`
	Again  bool    `json:"again,omitempty"` // a copy
}

// Process holds the socket.
type Process struct {
	PID  uint32 `json:"pid"`
	Name string `json:"name"`
}

// Container is where the process lives, if in one. What is not known, or not of
// Kubernetes, is null.
type Container struct {
	ID        string  `json:"id"`
	Name      *string `json:"name"`
	PodUID    *string `json:"pod_uid"`
	Pod       *string `json:"pod"`
	Namespace *string `json:"namespace"`
}

// Close is how a connection ended. IdleSeconds is the time since the last byte
// either way, and PendingTransactions what had no final response, both at the
// first FIN or RST.
type Close struct {
	By                  string   `json:"by"`
	How                 *string  `json:"how"` // null when a UDP socket was closed
	IdleSeconds         *float64 `json:"idle_seconds"`
	PendingTransactions int      `json:"pending_transactions"`
	// Exiting: the local process ended the connection as part of its own end,
	// or while it gave up its listeners.
	Exiting bool `json:"exiting"`
}

// Class is what the connection was used as.
type Class struct {
	Observed string   `json:"observed"`
	Expected *string  `json:"expected"`
	Because  []string `json:"because"`
}

// TLS is what the connection's handshake showed to somebody without its keys.
// What is encrypted, was not seen or was left out is null, or unknown.
type TLS struct {
	Version     *string  `json:"version"` // 1.0 to 1.3
	SNI         *string  `json:"sni"`     // the server's name that the client asked for
	ALPN        *string  `json:"alpn"`    // the protocol that the server chose
	ALPNOffered []string `json:"alpn_offered"`
	Resumed     *bool    `json:"resumed"` // an earlier session went on: no certificates were shown
	// ClientCertificate: not-asked, asked (the answer was not seen), none
	// (asked for, not shown), given, unknown.
	ClientCertificate string `json:"client_certificate"`
	// Names in the certificates: those in subjectAltName that SIP looks at, or
	// CN= if there are none.
	ClientNames []string `json:"client_names"`
	ServerNames []string `json:"server_names"`
	Plaintext   string   `json:"plaintext"` // seen, opaque
	Opaque      *string  `json:"opaque"`    // why, if it is and the source is live
}

// Negotiated is what the two neighbours said about the connection; null is
// what neither of them mentioned.
type Negotiated struct {
	Keep       *Keep       `json:"keep"`
	Alias      *Alias      `json:"alias"`
	Persistent *Persistent `json:"persistent"`
	Outbound   *Outbound   `json:"outbound"`
}

// Keep is RFC 6223. Agreed is null while the answer is not known, or when the
// offer already carried a number so that the answer may be an echo.
type Keep struct {
	Offered   bool       `json:"offered"`
	Agreed    *bool      `json:"agreed"`
	Seconds   *uint32    `json:"seconds"`
	Scope     *string    `json:"scope"` // registration, dialog
	Direction string     `json:"direction"`
	Until     *time.Time `json:"until"`
}

// Alias is RFC 5923. Used means that a new request came back to the side that
// offered; no message confirms an alias.
type Alias struct {
	OfferedBy *string `json:"offered_by"`
	TLS       bool    `json:"tls"`     // without it alias has no meaning
	SentBy    string  `json:"sent_by"` // what the alias is good for: the source address and the port of the sent-by, the default port if that has none
	Used      bool    `json:"used"`
	Outcome   string  `json:"outcome"` // offered, used, not-used
}

// Persistent is draft-jain-sipping-persistent-conn-reqs.
type Persistent struct {
	OfferedBy *string `json:"offered_by"`
	Via       *string `json:"via"`        // parameter, ptcp
	OptionTag *string `json:"option_tag"` // supported, required, proxy-required
	// TimeoutSeconds is the newest offer's Persistent-Timeout, RefusedSeconds
	// the one that was answered with Min-Persistence.
	TimeoutSeconds        *uint32    `json:"timeout_seconds"`
	RefusedSeconds        *uint32    `json:"refused_timeout_seconds"`
	MinPersistenceSeconds *uint32    `json:"min_persistence_seconds"`
	Outcome               string     `json:"outcome"` // offered, countered, agreed, honoured, declined
	Until                 *time.Time `json:"until"`   // null if the offer has no end, or was not taken
}

// Outbound is RFC 5626.
type Outbound struct {
	Offered          bool    `json:"offered"`
	Agreed           bool    `json:"agreed"`
	FlowTimerSeconds *uint32 `json:"flow_timer_seconds"`
}

// Messages counts SIP messages; retransmissions are counted again in the
// requests and responses they repeat.
type Messages struct {
	RequestsSent      uint32 `json:"requests_sent"`
	RequestsReceived  uint32 `json:"requests_received"`
	ResponsesSent     uint32 `json:"responses_sent"`
	ResponsesReceived uint32 `json:"responses_received"`
	Retransmissions   uint32 `json:"retransmissions"`
	Malformed         uint32 `json:"malformed"`
}

// Keepalives counts what was sent only to keep the connection alive. Pings are
// double CRLFs on a stream, CRLF or filler datagrams on UDP; pongs are single
// CRLFs that answer a ping. STUN is Binding requests, a repeated one counted
// once; StunAnswered counts answers to those of either side.
type Keepalives struct {
	PingsSent       uint32    `json:"pings_sent"`
	PingsReceived   uint32    `json:"pings_received"`
	PongsSent       uint32    `json:"pongs_sent"`
	PongsReceived   uint32    `json:"pongs_received"`
	StunSent        uint32    `json:"stun_sent"`
	StunReceived    uint32    `json:"stun_received"`
	StunAnswered    uint32    `json:"stun_answered"`
	Injected        uint32    `json:"injected"`
	Unanswered      uint32    `json:"unanswered"`
	IntervalSeconds *Interval `json:"interval_seconds"`
	// ToldByLength: the plaintext is not known; these are records whose length
	// is that of a ping or a pong.
	ToldByLength bool `json:"told_by_length"`
}

// Interval describes the time between consecutive keep-alives of one side.
type Interval struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Peer is one remote address.
type Peer struct {
	Name                  string  `json:"name"`
	Address               string  `json:"address"`
	ConnectionsOpened     uint64  `json:"connections_opened"`
	ConnectionsReused     uint64  `json:"connections_reused"` // carried more than one new request
	ConnectFailures       uint64  `json:"connect_failures"`
	Requests              uint64  `json:"requests"`        // new ones, both directions
	RequestsReused        uint64  `json:"requests_reused"` // of these, not the first of their connection
	RequestsPerConnection float64 `json:"requests_per_connection"`
	HandshakeSecondsSpent float64 `json:"handshake_seconds_spent"`
	// The peer's idle timer as its closes show it, and how many agree on it;
	// the same for this host's towards the peer.
	IdleTimeoutSecondsInferred      *float64 `json:"idle_timeout_seconds_inferred"`
	IdleTimeoutCloses               int      `json:"idle_timeout_closes"`
	LocalIdleTimeoutSecondsInferred *float64 `json:"local_idle_timeout_seconds_inferred"`
	LocalIdleTimeoutCloses          int      `json:"local_idle_timeout_closes"`
	DuplicatePairs                  uint64   `json:"duplicate_pairs"`
	// What one persistent connection for each server at the address, in each
	// direction that was used, would have spared.
	AvoidableHandshakes uint64   `json:"avoidable_handshakes"`
	AvoidableSeconds    float64  `json:"avoidable_handshake_seconds"`
	Keepalives          *Cadence `json:"keepalives"` // null if it sent no two on one connection

	carriers uint64 // connections that carried a request
}

// Cadence is how often a peer sends keep-alives, by the times between two on the
// same connection.
type Cadence struct {
	Intervals       int     `json:"intervals"`
	MeanSeconds     float64 `json:"mean_seconds"`
	LongestSeconds  float64 `json:"longest_seconds"`
	PromisedSeconds *uint32 `json:"promised_seconds"` // by keep, or Flow-Timer; null if nothing was agreed
	Late            uint64  `json:"late"`             // intervals beyond that
}

// Seconds is d as the report gives durations.
func Seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

// Ref returns a pointer to v, for fields that may be null.
func Ref[T any](v T) *T { return &v }

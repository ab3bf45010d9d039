// SPDX-License-Identifier: Apache-2.0

// Package flow is a small language for a conversation between this host and
// its SIP neighbours. One text serves the tests of the rules, the examples that
// the rules are explained with, and three players: events for the core (here), a
// capture file (package pcap) and real sockets (package stage). There is no clock
// and no I/O here; the same text always gives the same bytes at the same times.
//
// # A file
//
//	# KEEP-04: an ACK does not offer keep-alives.
//
//	== breaks: the ACK for a 2xx, a transaction of its own, offers again
//	# A call comes in, and its keep-alives are agreed.
//	tcp a in
//	a< INVITE ;keep
//	a> 180
//	+2s
//	a> 200 ;keep=30
//	a< ACK ;keep
//	expect KEEP-04 peer violation
//
//	== holds: the ACK for a 486 repeats the INVITE's Via, as it must
//	tcp a in
//	a< INVITE ;keep
//	a> 486
//	a< ACK
//
// A heading is "== breaks" or "== holds", with ": title" or without; a file may
// have several of each. Comments above the first heading are about the whole
// file. Every section starts anew: no connection, no call, time zero. A section
// "breaks" needs a line "expect", for the file RULE.flow one of that rule; a
// section "holds" must have none and raises no finding at all. A text without
// headings is one flow.
//
// Lines beginning with # are comments, as is what follows " #" at the end of a
// statement. Blank lines mean nothing. Statements may be indented, in a repeat;
// a line that is indented deeper than a SIP message above it belongs to that
// message (see Fields).
//
// # Connections
//
//	tcp a in       the peer opens it: local 192.0.2.1:5060, remote 198.51.100.7:40001, next :40002
//	tcp b out      this host opens it: local 192.0.2.1:41001, next :41002, remote 198.51.100.7:5060
//	tls c out      TLS whose plaintext is seen; the listening port is 5061
//	udp u          a UDP flow: local 192.0.2.1:5060, remote 198.51.100.7:5060
//
// With version=1.2 or version=1.3 the handshake is seen too: sni=NAME, in TLS 1.2
// server=NAMES in the server's certificate (DNS names, URIs, CN=NAME, between
// commas), client=NAMES in the client's, which the server asks for then, or
// client=none if it shows none; or resumed.
//
// Names are small letters and digits. Options: local=ADDRESS[:PORT],
// remote=ADDRESS[:PORT], process=NAME and pid=NUMBER (the holder of the socket,
// else proxy and 4242), midlife (older than the observation), noopen (declared
// now, opened by a later "open b"), and for a connect that failed: refused,
// timeout, unreachable. A name may be declared again when its connection is
// closed; that makes a new connection with the next port. Another neighbour is
// another remote=, like remote=203.0.113.9.
//
// # Time
//
//	+500ms   +32s   +2m30s
//
// Time stands still but for these lines: what stands between two of them
// happens at one instant, in order. Trailing ones let time pass at the end.
//
//	repeat 12
//	  +30s
//	  a< ping
//	  a> pong
//	end
//
// # Messages
//
// "a< X": the remote side sends X on a; "a> X": this host sends it. X is a
// METHOD in capitals, or a status from 100 to 699.
//
// What is not said is right by RFC 3261 and 3581:
//
//   - Via: the connection's transport, the sender's address and listening port,
//     a new branch for each transaction. UDP requests carry rport. A response
//     repeats the Vias of its request; the topmost gets rport's value and
//     received where the RFCs ask for it.
//   - A response answers the newest request of the other side on this
//     connection that has no final response yet; re=NAME names another one
//     (needed for a second final response and on another connection).
//   - ACK and CANCEL are about the newest INVITE of this side that has, or has
//     not, a final response; re=NAME names another one, or the response that
//     is acknowledged. CANCEL and the ACK for 3xx-6xx repeat the INVITE's Via
//     (not its other fields); the ACK for a 2xx has a new one.
//   - A request belongs to the newest dialog with this neighbour, so a second
//     INVITE is a re-INVITE. Without a dialog it begins a call of its own (one
//     that repeats a request after a 3xx-6xx stays in its call). REGISTER goes
//     on with the Call-ID of this user at this neighbour. call=NAME chooses: the
//     calls that got no name are 1, 2, 3 ... in order. INVITE, SUBSCRIBE and REFER
//     make dialogs with the first tagged 1xx or 2xx; BYE ends them.
//   - In a dialog either side sends both tags, to the Contact that the other one
//     gave, along the Record-Route of the messages that made it.
//   - Contact, Expires, Event, RAck and so on are there where the method needs
//     them. The 2xx to REGISTER lists the request's Contacts with expires=3600, or
//     what the request asked for. Content-Length is on every message.
//
// Tokens behind the method or status:
//
//	;keep  ;keep=30  ;alias;keep     set parameters of the topmost Via
//	;-rport                          take one out; ;+keep adds a second one
//	as=NAME                          name the message (a later one may take the name over)
//	re=NAME                          answer, acknowledge or cancel that one; a request: use its call
//	call=NAME                        the call, see above
//	cseq=7  branch=z9hG4bKx          as written; branch=x has no cookie, ;-branch none at all
//	from=TAG  to=TAG                 tags; none leaves it out
//	uri=sip:carol@example.com        Request-URI, and the To of a request outside a dialog
//	user=carol                       who the sender is (alice for who began a call, bob for the other)
//	proto=UDP  sentby=HOST[:PORT]    in the topmost Via
//	size=1400                        bytes of the whole message (a Subject fills it)
//	split=3                          TCP: in so many segments
//	seen=200                         the observer has only so many of its bytes
//
// # Fields
//
// Indented lines below a message:
//
//	a> REGISTER ;keep
//	  Supported: path, outbound           adds it; the first line of a name takes the default's place
//	  Contact: <sip:alice@192.0.2.1>;reg-id=1
//	  Contact+: <sip:alice@192.0.2.2>     "+:" always adds one more
//	  Via+: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKb   a lower Via; "Via:" takes the topmost one's place
//	  Max-Forwards-                       leaves it out
//	  body: text                          a line of the body, ended by CRLF
//
// Names stay as they are written, so k: and SUPPORTED: work.
//
// # Proxies
//
//	tcp a in
//	tcp b out remote=203.0.113.9
//	a< INVITE as=i
//	b> forward i                  one more Via on top, Max-Forwards less one
//	b< 200 as=ok
//	a> forward ok                 without the topmost Via
//
// forward takes ;PARAMETER, as=, uri= and fields too.
//
// # What is no SIP
//
//	a> ping   a< pong             CRLF CRLF, CRLF
//	a> raw "\r\nINVITE "          any bytes, quoted as in Go
//	u> filler "\x00\x00"          the same; says that it means nothing
//	u> stun request               id=NAME (else a new transaction), attrs=software,username
//	u< stun success               answers the newest of the other side; mapped=ADDRESS:PORT, nomapped
//	u< stun error code=401        nocode leaves ERROR-CODE out
//	u> stun indication            method=3: another method than Binding
//	a> ping own                   viaduct sends it for this host's process; so stun request own,
//	u< stun success own           and what answers that; no capture file knows
//	a> again                      this side's last SIP message on a, byte for byte
//	b> again re=NAME              the same with a named one
//
// attrs: username, message-integrity, unknown, realm, nonce, priority,
// software, fingerprint, mapped-address, in this order or another.
//
// # Ends
//
//	a> fin                        this host's FIN; the other side may go on. The second fin closes
//	a< close                      the peer's FIN, answered at once
//	a< rst                        a reset
//	a> alert                      an alert of TLS 1.2, which says that this side is at its end
//	a timeout                     the kernel gave up
//	a< lost 300                   the observer missed 300 bytes that the peer sent
//
// # The host
//
//	listen tcp 192.0.2.1:5060 process=kamailio pid=100
//	unlisten tcp 192.0.2.1:5060   ends the UDP flows of that socket too, for udp
//	exit pid=100                  from here on what the process closes it closes by its end
//
// # Findings
//
//	policy {class: persistent}    the row of the operator's policy that all connections belong to
//	profile nat                   the site's setting of the rules: nat, draft01, swamping=10, domains=A,B, persistent=10, flows=2
//	expect KEEP-04                by anybody, any severity, any number of times
//	expect KEEP-04 peer advice count=2
//
// The fault is local, peer or unknown, the severity violation, advice, info or
// policy. One line for each finding of the flow; what has no line must not be
// raised.
//
// # Players
//
// Run and Events play any flow. Package pcap plays what Section.Pcap allows: all
// is on the wire, so no tls, own, listen, unlisten, exit, nor a timeout. Package stage plays
// what Section.Live allows: also no midlife, unreachable, lost and seen=. An
// example that needs none of these is shown by all three.
package flow

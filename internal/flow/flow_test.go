// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
)

func parse(t *testing.T, text string) *Section {
	t.Helper()
	f, err := ParseFile("x.flow", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &f.Sections[0]
}

// payloads are the messages of a flow, each as one string.
func payloads(t *testing.T, text string) []string {
	t.Helper()
	events, _ := Events(parse(t, text))
	var all []string
	for _, e := range events {
		if e.Kind == event.Data {
			all = append(all, string(e.Payload))
		}
	}
	return all
}

// TestMessages looks at one thing of the last message of a flow.
func TestMessages(t *testing.T) {
	const call = "tcp a in\na< INVITE\na> 200\na< ACK\n"
	for _, tt := range []struct {
		name, flow string
		has        []string
		not        []string
	}{
		{"offer", "tcp a in\na< INVITE ;keep", []string{"INVITE sip:bob@example.com SIP/2.0\r\n",
			"Via: SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bK1001;keep\r\n", "Content-Length: 0\r\n\r\n"}, []string{"tag=b"}},
		{"echo", "tcp a in\na< INVITE ;keep\na> 180", []string{";branch=z9hG4bK1001;keep\r\n", "To: <sip:bob@example.com>;tag=b1\r\n"}, nil},
		{"accept", "tcp a in\na< INVITE ;keep\na> 200 ;keep=30", []string{";keep=30\r\n"}, []string{";keep;"}},
		{"remove", "udp u\nu> OPTIONS ;-rport", []string{"192.0.2.1:5060;branch=z9hG4bK1001\r\n"}, []string{"rport"}},
		{"twice", "udp u\nu> OPTIONS ;keep;+keep=3", []string{";rport;keep;keep=3\r\n"}, nil},
		{"symmetric response", "udp u remote=198.51.100.7:34567\nu< OPTIONS\nu> 200",
			[]string{";rport=34567;received=198.51.100.7\r\n"}, nil},
		{"sent-by is a name", "tcp a in\na< OPTIONS sentby=pbx.example.com\na> 200", []string{"TCP pbx.example.com;", ";received=198.51.100.7\r\n"}, nil},
		{"ACK for 2xx", call, []string{"ACK sip:bob@192.0.2.1:5060;transport=tcp SIP/2.0", "z9hG4bK1002", ";tag=b1", "CSeq: 1 ACK"}, nil},
		{"ACK for 486", "tcp a in\na< INVITE ;keep\na> 486\na< ACK", []string{"ACK sip:bob@example.com SIP/2.0", "z9hG4bK1001;keep\r\n", ";tag=b1"}, nil},
		{"CANCEL", "tcp a in\na< INVITE ;keep\na> 180\na< CANCEL", []string{"z9hG4bK1001;keep\r\n", "To: <sip:bob@example.com>\r\n", "CSeq: 1 CANCEL"}, nil},
		{"487 after CANCEL", "tcp a in\na< INVITE\na< CANCEL\na> 200\na> 487", []string{"SIP/2.0 487 Request Terminated", "CSeq: 1 INVITE"}, nil},
		{"BYE of the other side", call + "a> BYE", []string{"BYE sip:alice@198.51.100.7:5060;transport=tcp", "From: <sip:bob@example.com>;tag=b1", "To: <sip:alice@example.com>;tag=a1", "CSeq: 1 BYE"}, nil},
		{"re-INVITE", call + "a< INVITE", []string{"CSeq: 2 INVITE", "To: <sip:bob@example.com>;tag=b1", "Call-ID: call-1@"}, nil},
		{"next call", call + "a> BYE\na< 200\na< INVITE", []string{"CSeq: 1 INVITE", "Call-ID: call-2@", "tag=a2"}, []string{"tag=b"}},
		{"named call again", "tcp a in\na< INVITE call=x\na> 200\na< ACK\na< BYE\na> 200\na< INVITE call=x", []string{"Call-ID: call-x.2@"}, nil},
		{"retry after 401", "tcp a in\na< INVITE\na> 401\na< ACK\na< INVITE", []string{"Call-ID: call-1@", "CSeq: 2 INVITE", "To: <sip:bob@example.com>\r\n"}, nil},
		{"each OPTIONS a call", "tcp a in\na< OPTIONS\na> 200\na> OPTIONS", []string{"Call-ID: call-2@", "CSeq: 1 OPTIONS"}, nil},
		{"refresh", "tcp a out\na> REGISTER\na< 200\na> REGISTER", []string{"Call-ID: call-register@", "CSeq: 2 REGISTER"}, []string{"tag=b"}},
		{"bindings", "tcp a out\na> REGISTER\n  Contact: <sip:a@192.0.2.1>;reg-id=1\na< 200", []string{"Contact: <sip:a@192.0.2.1>;reg-id=1;expires=3600\r\n"}, nil},
		{"removal", "tcp a out\na> REGISTER\n  Contact: *\n  Expires: 0\na< 200", nil, []string{"Contact"}},
		{"record route", "tcp a in\na< INVITE\n  Record-Route: <sip:p1.example.com;lr>\n  Record-Route: <sip:p2.example.com;lr>\na> 200\na< ACK",
			[]string{"Route: <sip:p2.example.com;lr>\r\nRoute: <sip:p1.example.com;lr>\r\n"}, nil},
		{"fields", "tcp a in\na< OPTIONS\n  k: outbound\n  Max-Forwards-\n  Via+: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKb\n  body: hello",
			[]string{"k: outbound\r\n", "z9hG4bK1001\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKb\r\n", "Content-Length: 7\r\n", "\r\n\r\nhello\r\n"}, []string{"Max-Forwards"}},
		{"wrong length", "udp u\nu< MESSAGE\n  Content-Length: 99\n  body: x", []string{"Content-Length: 99\r\n"}, []string{"Content-Length: 3"}},
		{"forward", "tcp a in\ntcp b out\na< INVITE as=i\nb> forward i ;keep", []string{"Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK1002;keep\r\nVia: SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bK1001\r\n", "Max-Forwards: 69"}, nil},
		{"forward back", "tcp a in\ntcp b out\na< INVITE as=i\nb> forward i\nb< 200 as=o\na> forward o", []string{"Via: SIP/2.0/TCP 198.51.100.7:5060;branch=z9hG4bK1001\r\nFrom"}, nil},
		{"callee behind a proxy", "tcp a in\ntcp b out\na< INVITE as=i\nb> forward i\nb< 200 as=o\na> forward o\nb< BYE", []string{"From: <sip:bob@example.com>;tag=b1", "To: <sip:alice@example.com>;tag=a1"}, nil},
		{"again", "tcp a in\na< OPTIONS as=x\na> 200\ntcp b in\nb< again re=x", []string{"z9hG4bK1001"}, nil},
		{"tags", "tcp a in\na< INVITE from=x to=y", []string{"From: <sip:alice@example.com>;tag=x\r\nTo: <sip:bob@example.com>;tag=y\r\n"}, nil},
		{"no tag", call + "a< BYE to=none", []string{"To: <sip:bob@example.com>\r\n"}, nil},
		{"fork", "tcp a out\na> INVITE as=i\na< 200 to=x\na< 200 re=i to=y as=o\na> ACK re=o", []string{"To: <sip:bob@example.com>;tag=y\r\n"}, nil},
		{"user", "udp u\nu> REGISTER user=carol", []string{"To: <sip:carol@example.com>\r\n", "Contact: <sip:carol@192.0.2.1:5060>", "call-register-carol@"}, nil},
		{"uri", "tcp a out\na> INVITE uri=sip:dave@192.0.2.9;lr=x", []string{"INVITE sip:dave@192.0.2.9;lr=x SIP/2.0", "To: <sip:dave@192.0.2.9;lr=x>\r\n"}, nil},
		{"number and branch", "tcp a out\na> OPTIONS cseq=7 branch=abc proto=UDP", []string{"CSeq: 7 OPTIONS", "SIP/2.0/UDP 192.0.2.1:5060;branch=abc\r\n"}, nil},
		{"wrong number in an ACK", "tcp a in\na< INVITE\na> 200\na< ACK cseq=9 uri=sip:x@192.0.2.1", []string{"CSeq: 9 ACK", "ACK sip:x@192.0.2.1 SIP"}, nil},
		{"subscription", "tcp a in\na< SUBSCRIBE\na> 200\na> NOTIFY", []string{"NOTIFY sip:alice@198.51.100.7:5060;transport=tcp", "Event: presence", "Subscription-State: active", "tag=b1"}, nil},
		{"NOTIFY before the 2xx", "tcp a in\na< SUBSCRIBE\na> NOTIFY", []string{"To: <sip:alice@example.com>;tag=a1", "tag=b1"}, nil},
		{"2xx to SUBSCRIBE", "tcp a in\na< SUBSCRIBE\na> 200", []string{"Expires: 3600", "Contact: <sip:bob@192.0.2.1:5060;transport=tcp>"}, nil},
		{"REFER", "tcp a in\na< REFER", []string{"Refer-To: <sip:carol@example.com>"}, nil},
		{"PRACK", "tcp a in\na< INVITE\na> 183\n  Require: 100rel\n  RSeq: 1\na< PRACK", []string{"RAck: 1 1 INVITE", "CSeq: 2 PRACK", "tag=b1"}, nil},
		{"PUBLISH", "tcp a in\na< PUBLISH\na> 200", []string{"Expires: 3600", "SIP-ETag: e1"}, nil},
		{"challenge by a proxy", "tcp a in\na< INVITE\na> 407", []string{"Proxy-Authenticate: Digest"}, nil},
		{"interval too brief", "tcp a out\na> REGISTER\na< 423", []string{"Min-Expires: 60"}, nil},
		{"status that has no phrase", "tcp a in\na< INVITE\na> 599", []string{"SIP/2.0 599 Status 599\r\n"}, nil},
		{"call of another request", "tcp a in\na< OPTIONS as=x\na> 200\na< OPTIONS re=x", []string{"Call-ID: call-1@", "CSeq: 2"}, nil},
		{"answer to one of two calls", "tcp a in\na< OPTIONS call=x\na< OPTIONS call=y\na> 200 call=x", []string{"Call-ID: call-x@"}, nil},
		{"ACK of one of two calls", "tcp a in\na< INVITE call=x\na> 486\na< INVITE call=y\na> 486\na< ACK call=x", []string{"Call-ID: call-x@"}, nil},
		{"Via replaced", "tcp a in\na< OPTIONS\n  Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKq;keep\na> 200 ;keep=5", []string{"Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKq;keep=5;received=198.51.100.7\r\n"}, nil},
		{"no Via", "tcp a in\na< OPTIONS\n  Via-\na> 200", nil, []string{"Via"}},
		{"field added twice", "tcp a in\na< OPTIONS\n  Supported: path\n  Supported: outbound\n  Contact+: <sip:a@192.0.2.7>", []string{"Supported: path\r\nSupported: outbound\r\n", "Contact: <sip:a@192.0.2.7>"}, nil},
		{"quoted parameter", "tcp a in\na< OPTIONS ;keep=\"3 0\"", []string{";keep=\"3 0\"\r\n"}, nil},
		{"size", "udp u\nu< MESSAGE size=1400", []string{"\r\nSubject: xxxx"}, nil},
		{"stun error", "udp u\nu> stun request\nu< stun error code=420 attrs=unknown", []string{"\x01\x11\x00\x10", "\x00\x09\x00\x04\x00\x00\x04\x14", "\x00\x0a\x00\x02"}, nil},
		{"stun without address", "udp u\nu> stun request\nu< stun success nomapped attrs=mapped-address", []string{"\x01\x01\x00\x0c", "\x00\x01\x00\x08\x00\x01\x13\xc4\xc0\x00\x02\x01"}, []string{"\x00\x20\x00\x08"}},
		{"stun with another address", "udp u\nu> stun request id=q\nu< stun success mapped=192.0.2.1:5061 id=r", []string{"flow       r", "\x00\x20\x00\x08\x00\x01\x32\xd7\xe1\x12\xa6\x43"}, nil},
		{"stun indication", "udp u\nu> stun indication", []string{"\x00\x11\x00\x00\x21\x12\xa4\x42"}, nil},
		{"stun of another method", "udp u\nu> stun request method=3", []string{"\x00\x03\x00\x00\x21\x12\xa4\x42"}, nil},
		{"raw", "udp u\nu> filler \"\\x00\\x00\"", []string{"\x00\x00"}, nil},
		{"no branch", "udp u\nu< OPTIONS ;-branch", nil, []string{"branch"}},
		{"tls", "tls t out\nt> OPTIONS", []string{"SIP/2.0/TLS 192.0.2.1:5061;"}, nil},
		{"IPv6", "udp u local=[2001:db8::1]:5060 remote=[2001:db8::7]:5060\nu< OPTIONS", []string{"UDP [2001:db8::7]:5060;"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := payloads(t, tt.flow)
			last := all[len(all)-1]
			for _, want := range tt.has {
				if !strings.Contains(last, want) {
					t.Errorf("no %q in\n%s", want, last)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(last, not) {
					t.Errorf("%q in\n%s", not, last)
				}
			}
		})
	}
}

// TestErrors wants the place and a hint in each.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"x.flow", "tcp a", "x.flow:1: tcp a: say who opens it: in (the peer) or out (this host)"},
		{"x.flow", "tcp a in\n\na< INVITE nonsense", `x.flow:3: INVITE: "nonsense" does not belong here; allowed: call=CALL`},
		{"x.flow", "tls a in version=1.1", "x.flow:1: tls a: version=1.1: allowed are 1.2 and 1.3"},
		{"x.flow", "tls a in sni=example.com", "x.flow:1: tls a: what the handshake shows needs version=1.2 or version=1.3"},
		{"x.flow", "tls a in version=1.3 client=none", "x.flow:1: tls a: no certificate can be seen"},
		{"x.flow", "tls a out version=1.2 midlife", "x.flow:1: tls a: the handshake is where the connection begins"},
		{"x.flow", "tcp a in version=1.2", `x.flow:1: tcp a in: "version=1.2" does not belong here`},
		{"x.flow", "tls a in version=1.3\na> alert", "x.flow:2: alert: it shows on TLS 1.2 only"},
		{"x.flow", "a< INVITE", `x.flow:1: there is no connection "a": declare it first`},
		{"x.flow", "tcp a in\na> 200", "x.flow:2: 200: no request of the other side on a waits for a response"},
		{"x.flow", "tcp a in\na< ACK", "x.flow:2: ACK: this side has sent no INVITE"},
		{"x.flow", "tcp a in\na< close\na< OPTIONS", "x.flow:3: connection a is closed"},
		{"x.flow", "tcp a in\na< fin\na< OPTIONS", "x.flow:3: this side has sent its FIN"},
		{"x.flow", "repeat 3\n+1s", `x.flow:1: "repeat" has no "end"`},
		{"x.flow", "end", `x.flow:1: "end" without "repeat"`},
		{"x.flow", "+1parsec", `x.flow:1: "+1parsec": write + and a duration`},
		{"x.flow", "wait 3", `x.flow:1: "wait" is no statement; allowed: tcp`},
		{"x.flow", "tcp a in\na< ping\n  Foo: bar", "x.flow:3: indented lines belong below a SIP message"},
		{"x.flow", "tcp a in\na< OPTIONS\n  Foo bar", `x.flow:3: indented line "Foo bar": allowed are`},
		{"x.flow", "tcp a in\na< raw \"abc", `x.flow:2: a " is not closed`},
		{"x.flow", "udp u\nu> rst", "x.flow:2: u is UDP: it has no end"},
		{"x.flow", "== bends\n", `x.flow:1: heading "== bends": allowed are`},
		{"KEEP-04.flow", "== breaks\ntcp a in\nexpect KEEP-05", `KEEP-04.flow:1: section "breaks" says no finding: add a line "expect KEEP-04`},
		{"KEEP-04.flow", "== holds\ntcp a in\nexpect KEEP-04", `KEEP-04.flow:1: section "holds" expects a finding`},
		{"x.flow", "repeat 9000\ntcp a in\na< rst\nend", "x.flow:2: the flow is too long"},
		{"x.flow", "repeat 10000\nrepeat 10000\nend\nend", "x.flow:2: repeat: more than 10000 rounds"},
		{"x.flow", "expect keep", "x.flow:1: expect: write expect RULE-ID"},
		{"x.flow", "expect KEEP-04 local peer", "x.flow:1: expect KEEP-04: local and peer at once"},
		{"x.flow", "expect KEEP-04 info policy", "x.flow:1: expect KEEP-04: info and policy at once"},
		{"x.flow", "expect KEEP-04 count=0", `x.flow:1: expect KEEP-04: "count=0": count is a number from 1`},
		{"x.flow", "repeat 2\nexpect KEEP-04\nend", "x.flow:2: expect: not within repeat"},
		{"x.flow", "repeat", "x.flow:1: repeat: write repeat NUMBER, 1 to 10000"},
		{"x.flow", "repeat 2\nrepeat 2\nrepeat 2\nrepeat 2", "x.flow:4: repeat: not deeper than 3"},
		{"x.flow", "tcp a in\ntcp a in", "x.flow:2: a is there already and not closed"},
		{"x.flow", "tcp a out refused timeout", "x.flow:1: a: only one of midlife"},
		{"x.flow", "tcp a in refused", `x.flow:1: tcp a in: "refused" does not belong here`},
		{"x.flow", "tcp a in noopen\na< ping", "x.flow:2: connection a is not open: write open a"},
		{"x.flow", "open a", "x.flow:1: open a: declare it first with noopen"},
		{"x.flow", "open", "x.flow:1: write open NAME"},
		{"x.flow", "tcp a in local=host", `x.flow:1: "host" is no address: write 192.0.2.1:5060`},
		{"x.flow", "tcp a in local=[2001:db8::1]:5060", "x.flow:1: a: [2001:db8::1]:5060 and 198.51.100.7:40001 are of different IP versions"},
		{"x.flow", "tcp a in pid=x", "x.flow:1: pid=x is not a process id"},
		{"x.flow", "tcp a in pid=1 pid=2", `x.flow:1: tcp a in: "pid=" is there twice`},
		{"x.flow", "tcp a in pid=", `x.flow:1: tcp a in: "pid=" has no value`},
		{"x.flow", "listen 192.0.2.1:5060", "x.flow:1: listen: write listen tcp|udp ADDRESS:PORT"},
		{"x.flow", "exit", "x.flow:1: exit: write exit pid=NUMBER"},
		{"x.flow", "tcp tcp in", "x.flow:1: tcp: write tcp NAME"},
		{"x.flow", "tcp a in\na<", "x.flow:2: a<: say what is sent"},
		{"x.flow", "tcp a in\na< invite", `x.flow:2: "invite": allowed are a METHOD`},
		{"x.flow", "tcp a in\na< 99", `x.flow:2: "99": allowed are a METHOD`},
		{"x.flow", "tcp a in\na< INVITE as=x\na> 200 re=y", "x.flow:3: 200 re=y: no message has that name"},
		{"x.flow", "tcp a in\na< INVITE re=y", "x.flow:2: re=y: no message has that name"},
		{"x.flow", "tcp a in\na< ACK re=y", "x.flow:2: ACK re=y: no message has that name"},
		{"x.flow", "tcp a in\na< INVITE as=i\na< ACK re=i", "x.flow:3: ACK: the INVITE has no final response"},
		{"x.flow", "tcp a in\na< CANCEL", "x.flow:2: CANCEL: this side has sent no INVITE"},
		{"x.flow", "tcp a in\na< again", "x.flow:2: again: this side has sent no message on a"},
		{"x.flow", "tcp a in\na< forward", "x.flow:2: forward: write forward NAME"},
		{"x.flow", "tcp a in\na< forward x", "x.flow:2: forward x: no message has that name"},
		{"x.flow", "tcp a in\na< OPTIONS\na> 200 as=o\na> forward o", "x.flow:4: forward o: the request it answers was not forwarded"},
		{"x.flow", "tcp a in\na< lost x", "x.flow:2: lost: write lost BYTES"},
		{"x.flow", "tcp a in\na< raw x", "x.flow:2: raw x: not a string with quotes"},
		{"x.flow", "tcp a in\na< raw", `x.flow:2: raw: write raw "bytes"`},
		{"x.flow", "udp u\nu< stun", "x.flow:2: stun: write stun request|success|error|indication"},
		{"x.flow", "udp u\nu< stun success", "x.flow:2: stun success: the other side has asked nothing on u"},
		{"x.flow", "udp u\nu< stun request attrs=colour", `x.flow:2: stun: no attribute "colour"; there are mapped-address, username`},
		{"x.flow", "udp u\nu< OPTIONS split=2", "x.flow:2: u is UDP: a datagram cannot be split"},
		{"x.flow", "udp u\nu< OPTIONS size=100", "x.flow:2: OPTIONS: size=100 is not a number from 200"},
		{"x.flow", "udp u\nu< OPTIONS size=200", "x.flow:2: size=200: the message has"},
		{"x.flow", "\xff", "x.flow: not UTF-8"},
		{"x.flow", "expect KEEP-04 nobody", `x.flow:1: expect KEEP-04: "nobody" does not belong here; allowed: local peer`},
	} {
		_, err := ParseFile(tt.name, []byte(tt.text))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	local, remote := parse(t, "tcp a in\ntcp b out remote=203.0.113.9\nudp u").Addresses()
	if got := fmt.Sprint(local, remote); got != "[192.0.2.1] [198.51.100.7 203.0.113.9]" {
		t.Error(got)
	}
}

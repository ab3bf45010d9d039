// SPDX-License-Identifier: Apache-2.0

package hep

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func message(head string) *Message {
	return &Message{
		Time:   time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
		Source: netip.MustParseAddrPort("192.0.2.1:5060"), Destination: netip.MustParseAddrPort("198.51.100.7:5070"),
		Head: []byte(head),
	}
}

// Each chunk: vendor 0000, type, length with these six bytes, value.
func TestAppend(t *testing.T) {
	a := Agent{ID: 2001, Node: "sip1", Key: "k"}
	got, ok := a.Append([]byte("x"), message("OPTIONS"))
	want := "78" + "48455033" + "007b" +
		"0000" + "0001" + "0007" + "02" +
		"0000" + "0002" + "0007" + "06" +
		"0000" + "0003" + "000a" + "c0000201" +
		"0000" + "0004" + "000a" + "c6336407" +
		"0000" + "0007" + "0008" + "13c4" +
		"0000" + "0008" + "0008" + "13ce" +
		"0000" + "0009" + "000a" + "695735a5" +
		"0000" + "000a" + "000a" + "000a5bf5" +
		"0000" + "000b" + "0007" + "01" +
		"0000" + "000c" + "000a" + "000007d1" +
		"0000" + "0013" + "000a" + hex.EncodeToString([]byte("sip1")) +
		"0000" + "000e" + "0007" + hex.EncodeToString([]byte("k")) +
		"0000" + "000f" + "000d" + hex.EncodeToString([]byte("OPTIONS"))
	if !ok || hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

func TestAppendFamilies(t *testing.T) {
	m := message("x")
	m.Datagram = true
	m.Source = netip.MustParseAddrPort("[2001:db8::1]:5060")
	m.Destination = netip.MustParseAddrPort("[::ffff:192.0.2.1]:5060") // on a socket for both
	got, _ := new(Agent).Append(nil, m)
	for _, want := range []string{"00000001" + "0007" + "0a", "00000002" + "0007" + "11",
		"00000005" + "0016" + "20010db8000000000000000000000001", "00000006" + "0016" + "00000000000000000000ffffc0000201"} {
		if !strings.Contains(hex.EncodeToString(got), want) {
			t.Errorf("no %s in %x", want, got)
		}
	}
	m.Source = m.Destination
	if got, _ := new(Agent).Append(nil, m); !strings.Contains(hex.EncodeToString(got), "00000003"+"000a"+"c0000201") {
		t.Errorf("IPv4 in IPv6 form: %x", got)
	}
}

func TestAppendTooLong(t *testing.T) {
	m := message(strings.Repeat("x", maxPacket))
	if got, ok := new(Agent).Append([]byte("before"), m); ok || string(got) != "before" {
		t.Errorf("%v, %d bytes", ok, len(got))
	}
	most, _ := new(Agent).Append(nil, message(""))
	m.Head = m.Head[:maxPacket-len(most)]
	if got, ok := new(Agent).Append(nil, m); !ok || len(got) != maxPacket {
		t.Errorf("%v, %d bytes", ok, len(got))
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"none", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n"},
		{"one", "A\r\nAuthorization: Digest username=\"a\", response=\"b\"\r\nTo: c\r\n\r\n", "A\r\nAuthorization: (hidden)\r\nTo: c\r\n\r\n"},
		{"both, in any case, with blanks", "A\r\nPROXY-authorization \t: x\r\nauthorization:y\r\n\r\n", "A\r\nPROXY-authorization \t: (hidden)\r\nauthorization: (hidden)\r\n\r\n"},
		{"folded", "A\r\nAuthorization: Digest\r\n response=\"b\",\r\n\tnonce=\"c\"\r\nTo: d,\r\n e\r\n\r\n", "A\r\nAuthorization: (hidden)\r\nTo: d,\r\n e\r\n\r\n"},
		{"bare line feeds", "A\nAuthorization: x\n y\nTo: d\n\n", "A\nAuthorization: (hidden)\nTo: d\n\n"},
		{"a challenge stays", "A\r\nWWW-Authenticate: Digest nonce=\"c\"\r\n\r\n", "A\r\nWWW-Authenticate: Digest nonce=\"c\"\r\n\r\n"},
		{"cut in the value", "A\r\nAuthorization: Digest resp", "A\r\nAuthorization: (hidden)"},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(Redact(nil, []byte(tt.in))); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// FuzzRedact: no secret is left, and what is no secret is.
func FuzzRedact(f *testing.F) {
	f.Add("A", "Digest response=\"b\"", "To: c")
	f.Add("A", "x\r\n y", "Via: z")
	f.Fuzz(func(t *testing.T, start, secret, more string) {
		const mark = "SECRET"
		for _, s := range []string{start, secret, more} {
			if strings.ContainsAny(s, "\r\n") || strings.Contains(s, mark) || isSecret([]byte(s)) {
				t.Skip()
			}
		}
		in := start + "\r\nAuthorization: " + secret + mark + "\r\n\t" + secret + mark + "\r\nx" + more + "\r\n\r\n"
		if isSecret([]byte("x" + more)) {
			t.Skip()
		}
		out := Redact(nil, []byte(in))
		if bytes.Contains(out, []byte(mark)) {
			t.Errorf("%q", out)
		}
		if want := start + "\r\nAuthorization: (hidden)\r\nx" + more + "\r\n\r\n"; string(out) != want {
			t.Errorf("got  %q\nwant %q", out, want)
		}
	})
}

func TestHead(t *testing.T) {
	for in, want := range map[string]string{
		"A\r\nB: c\r\n\r\nv=0\r\n\r\n": "A\r\nB: c\r\n\r\n", "A\nB: c\n\nv=0": "A\nB: c\n\n", "A\r\nB: c\r\n": "A\r\nB: c\r\n", "": "",
	} {
		if got := string(head([]byte(in))); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

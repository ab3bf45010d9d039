// SPDX-License-Identifier: Apache-2.0

package helpertest

import (
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/sipparse"
)

const (
	no   = helperSniffedSNIFFED_NOT_SIP
	yes  = helperSniffedSNIFFED_SIP
	tls  = helperSniffedSNIFFED_TLS
	more = helperSniffedSNIFFED_MORE
)

var sniffTable = []struct {
	bytes string
	want  helperSniffed
}{
	{"INVITE sip:bob@example.com SIP/2.0\r\n", yes},
	{"invite SIPS:bob@example.com SIP/2.0\r\n", yes},
	{"OPTIONS tel:+15550100 SIP/2.0\r\n", yes},
	{"INVITE urn:service:sos SIP/2.0\r\n", yes},
	{"MESSAGE im:bob@example.com SIP/2.0\r\n", yes},
	{"SUBSCRIBE pres:bob@example.com SIP/2.0\r\n", yes},
	{"!interesting-Method0123456789_*+`.%indeed'~ sip:a@example.com SIP/2.0\r\n", yes},
	{"SIP/2.0 200 OK\r\n", yes},
	{"SIP/2.0 100 \r\n", yes},
	{"\r\n\r\nREGISTER sip:example.com SIP/2.0\r\n", yes},
	{"\r\n\r\n\r\nSIP/2.0 200 OK\r\n", yes},

	{"\r\n\r\n", more},
	{"\r\n", more},
	{"I", more},
	{"INVITE", more},
	{"INVITE ", more},
	{"INVITE sip", more},
	{"INVITE sip:", more}, // shorter than the longest scheme: five bytes are wanted
	{"SIP/2.0", more},
	{strings.Repeat("A", 64), more}, // the caller's last word on this many bytes is no

	{"\x16\x03\x01\x02\x00\x01\x00", tls},
	{"\x16\x03", tls},

	{"GET / HTTP/1.1\r\n", no},
	{"OPTIONS * HTTP/1.1\r\n", no},
	{"OPTIONS rtsp://example.com/ RTSP/1.0\r\n", no},
	{"HTTP/1.1 200 OK\r\n", no},
	{"SSH-2.0-example\r\n", no},
	{"SIP/3.0 200 OK\r\n", no},
	{"PROXY TCP4 192.0.2.1 192.0.2.2 40000 5060\r\n", no},
	{" INVITE sip:bob@example.com SIP/2.0\r\n", no},
	{"INVITE  sip:bob@example.com SIP/2.0\r\n", no},
	{"INVITE <sip:bob@example.com> SIP/2.0\r\n", no},
	{"\x00\x00\x00\x00", no},
	{"\x80\x08binary RTP", no},
	{"INV\xc3\x8fTE sip:bob@example.com", no},
	{strings.Repeat("\r\n", 5) + "INVITE sip:bob@example.com SIP/2.0\r\n", no}, // no honest peer begins so
}

func TestSniff(t *testing.T) {
	examine := load(t)
	for _, test := range sniffTable {
		got := helperSniffed(examine(ipv4(17, nil, udp([]byte(test.bytes))), true).Sniffed)
		if got != test.want {
			t.Errorf("%q: %d, want %d", test.bytes, got, test.want)
		}
	}
}

// What the kernel lets through as SIP the parser must be willing to read.
func TestSniffAgreesWithTheParser(t *testing.T) {
	for _, test := range sniffTable {
		if test.want != yes {
			continue
		}
		if got := sipparse.LooksLikeSIP([]byte(test.bytes)); got != sipparse.VerdictYes {
			t.Errorf("%q: the kernel says SIP, the parser says %v", test.bytes, got)
		}
	}
}

// Any prefix of SIP that is long enough to judge must not be called something else.
func TestSniffPrefixes(t *testing.T) {
	examine := load(t)
	for _, test := range sniffTable {
		if test.want != yes {
			continue
		}
		for n := 1; n <= len(test.bytes); n++ {
			got := helperSniffed(examine(ipv4(17, nil, udp([]byte(test.bytes[:n]))), true).Sniffed)
			if got != yes && got != more {
				t.Errorf("%q: %d", test.bytes[:n], got)
			}
		}
	}
}

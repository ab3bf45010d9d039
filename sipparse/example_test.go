// SPDX-License-Identifier: Apache-2.0

package sipparse_test

import (
	"fmt"

	"github.com/viaduct-project/viaduct/sipparse"
)

// A datagram is one message, a keep-alive, or neither.
func ExampleFrameDatagram() {
	datagram := []byte("INVITE sip:bob@example.com SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bK1;keep, SIP/2.0/TCP client.example.net;branch=z9hG4bK0\r\n" +
		"From: \"Alice, A.\" <sip:alice@example.net>;tag=7\r\n" +
		"To: <sip:bob@example.com>\r\n" +
		"Call-ID: 42@example.net\r\n" +
		"CSeq: 1 INVITE\r\n\r\n")

	item := sipparse.FrameDatagram(datagram)
	if item.Kind != sipparse.ItemMessage {
		fmt.Println(item.Kind)
		return
	}
	var p sipparse.Parser
	start, err := p.Start(item.Head)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(start.Method, string(start.URI))
	for p.Next() {
		h := p.Field()
		switch h.ID {
		case sipparse.HeaderVia:
			list, via := h.Vias(), sipparse.Via{}
			for list.Next(&via) {
				fmt.Printf("%v %s port %d keep %v\n", via.Transport, via.Host, via.Port, via.Keep.Present)
			}
		case sipparse.HeaderFrom:
			fmt.Printf("from tag %s\n", h.Tag())
		case sipparse.HeaderCSeq:
			fmt.Println("cseq", h.CSeq().N)
		}
	}
	// Output:
	// INVITE sip:bob@example.com
	// UDP 2001:db8::1 port 5062 keep true
	// TCP client.example.net port 0 keep false
	// from tag 7
	// cseq 1
}

// A stream is cut into messages and keep-alives, however its bytes arrive.
func ExampleFramer() {
	framer := sipparse.NewFramer(&sipparse.FramerOptions{DropBody: true})
	for _, chunk := range []string{
		"\r\n\r", "\nOPTIONS sip:example.com SIP/2.0\r\nContent-", "Length: 5\r\n\r\nhel", "lo\r\n",
	} {
		framer.Push([]byte(chunk))
		var item sipparse.Item
		for framer.Next(&item) {
			fmt.Println(item.Kind, "at", item.Offset, "length", item.Length, "body", item.BodyLength)
		}
	}
	framer.Flush() // a second has passed: the lone CRLF is not half of a ping
	var item sipparse.Item
	for framer.Next(&item) {
		fmt.Println(item.Kind, "at", item.Offset, "length", item.Length)
	}
	// Output:
	// ping at 0 length 4 body 0
	// message at 4 length 59 body 5
	// pong at 63 length 2
}

// What is wrong is said, and the rest is read all the same.
func ExampleDefects() {
	list, via := sipparse.Vias([]byte("SIP/2.0/TCP 2001:db8::1;keep=30s;branch=z9hG4bK1")), sipparse.Via{}
	for list.Next(&via) {
		fmt.Printf("%s, branch %s\n", via.Host, via.Branch)
		for i := range via.Defects.Places() {
			defect := via.Defects.At(i)
			fmt.Println(defect.Code, "at", defect.Offset)
		}
	}
	// Output:
	// 2001:db8::1, branch z9hG4bK1
	// host-unbracketed at 12
	// number-invalid at 29
}

// Check is for looking at a message as a whole.
func ExampleCheck() {
	defects, err := sipparse.Check([]byte("OPTIONS sip:example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK\nCSeq: 1 INVITE\n\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for code := range defects.All {
		fmt.Println(code)
	}
	// Output:
	// line-bare-lf
	// branch-cookie-only
	// cseq-method
	// missing-call-id
	// missing-from
	// missing-to
	// missing-max-forwards
}

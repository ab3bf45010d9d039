// SPDX-License-Identifier: Apache-2.0

// Peer is a SIP neighbour of its own in a container: it asks itself for OPTIONS
// over a TCP connection, ten times a second, until it is ended.
package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"time"
)

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:5070")
	if err != nil {
		log.Fatal(err)
	}
	client, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 4096)
	for n := 1; ; n++ {
		fmt.Fprintf(client, "OPTIONS sip:peer@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5070;branch=z9hG4bK%d\r\n"+
			"From: <sip:a@example.com>;tag=a\r\nTo: <sip:peer@example.com>\r\nCall-ID: %d@example.com\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", n, n)
		got, err := server.Read(b)
		if err != nil {
			log.Fatal(err)
		}
		_, headers, _ := bytes.Cut(b[:got], []byte("\r\n"))
		fmt.Fprintf(server, "SIP/2.0 200 OK\r\n%s", headers)
		if _, err := client.Read(b); err != nil {
			log.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

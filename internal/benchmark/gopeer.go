// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// goPeer is the argument by which the benchmark is a SIP client or server on
// crypto/tls, which does what tlspeer does on libssl:
//
//	server ADDRESS PORT CERTIFICATE KEY
//	client ADDRESS PORT connections=N messages=N size=N wait=MS scout=MS
const goPeer = "go-tls-peer"

func playGoPeer(args []string) error {
	address := net.JoinHostPort(args[1], args[2])
	if args[0] == "server" {
		return goServer(address, args[3], args[4])
	}
	set := make(map[string]int)
	for _, arg := range args[3:] {
		name, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		set[name] = n
	}
	return goClient(address, set)
}

func goServer(address, certificate, key string) error {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answerAll(c)
	}
}

// answerAll answers each request until the client is gone.
func answerAll(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		head, err := readMessage(r)
		if err != nil {
			return
		}
		response := []byte("SIP/2.0 200 OK\r\n")
		for line := range bytes.Lines(head) {
			switch name, _, _ := bytes.Cut(line, []byte(":")); string(name) {
			case "Via", "From", "To", "Call-ID", "CSeq":
				response = append(response, line...)
			}
		}
		if _, err := c.Write(append(response, "Content-Length: 0\r\n\r\n"...)); err != nil {
			return
		}
	}
}

// readMessage returns the head of the next message, and passes over its body.
func readMessage(r *bufio.Reader) (head []byte, err error) {
	length := 0
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		head = append(head, line...)
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
		if len(line) == 2 {
			_, err := io.CopyN(io.Discard, r, int64(length))
			return head, err
		}
	}
}

func goClient(address string, set map[string]int) error {
	dial := func() (*tls.Conn, error) { return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) }
	scout, err := dial()
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(set["scout"]) * time.Millisecond)
	scout.Close()
	done := make(chan error)
	began := time.Now()
	for i := range set["connections"] {
		go func() {
			c, err := dial()
			if err == nil {
				err = askAll(c, i, set)
				c.Close()
			}
			done <- err
		}()
	}
	for range set["connections"] {
		if err := <-done; err != nil {
			return err
		}
	}
	fmt.Printf("%d exchanged in %f s\n", set["connections"]*set["messages"], time.Since(began).Seconds())
	return nil
}

// askAll sends the requests of one connection, each when the one before was
// answered.
func askAll(c *tls.Conn, connection int, set map[string]int) error {
	r := bufio.NewReader(c)
	body := strings.Repeat("x", set["size"])
	for n := range set["messages"] {
		if _, err := fmt.Fprintf(c, "OPTIONS sip:server@example.com SIP/2.0\r\n"+
			"Via: SIP/2.0/TLS %v;branch=z9hG4bK%d.%d.%d\r\n"+
			"From: <sip:c%d@example.com>;tag=c%d\r\nTo: <sip:server@example.com>\r\n"+
			"Call-ID: c%d-p%d@example.com\r\nCSeq: %d OPTIONS\r\nMax-Forwards: 70\r\n"+
			"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
			c.LocalAddr(), os.Getpid(), connection, n, connection, connection, connection, os.Getpid(), n+1, len(body), body); err != nil {
			return err
		}
		if _, err := readMessage(r); err != nil {
			return err
		}
		time.Sleep(time.Duration(set["wait"]) * time.Millisecond)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

func streamProgram(args []string) error { return program(unix.SOCK_STREAM, args) }
func flowProgram(args []string) error   { return program(unix.SOCK_DGRAM, args) }

// program opens sockets, registers over each, and sends nothing more. It knows
// pongs, and no STUN.
func program(kind int, args []string) error {
	var pair, n, rate int
	if err := numbers(args, &pair, &n, &rate); err != nil {
		return err
	}
	s, err := newSockets()
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	registered := make(chan bool)
	go func() {
		answers := 0
		failed <- s.read(func(_ int, b []byte) error {
			if bytes.HasPrefix(b, []byte("SIP/2.0 200")) {
				if answers++; answers == n {
					close(registered)
				}
			} else if kind != unix.SOCK_STREAM || string(b) != "\r\n" {
				return fmt.Errorf("a program has got %q", b)
			}
			return nil
		})
	}()
	go func() {
		err := paced(n, rate, func(i int) error { return s.register(kind, pair, i) })
		if err != nil {
			failed <- err
			return
		}
		<-registered
		failed <- ready()
	}()
	return <-failed
}

// register opens one socket and offers keep-alives over it.
func (s sockets) register(kind, pair, i int) error {
	transport := map[int]string{unix.SOCK_STREAM: "TCP", unix.SOCK_DGRAM: "UDP"}[kind]
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: programAddress(pair)}),
		unix.Connect(fd, &unix.SockaddrInet4{Addr: peerAddress(pair), Port: sipPort})); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	port := own.(*unix.SockaddrInet4).Port
	if _, err := unix.Write(fd, register(transport, fmt.Sprintf("127.78.0.%d:%d", 1+pair, port), fmt.Sprintf("%d.%d", pair, i))); err != nil {
		return err
	}
	return s.add(fd)
}

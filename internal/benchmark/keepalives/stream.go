// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const sipPort = 5060

func programAddress(pair int) [4]byte { return [4]byte{127, 78, 0, byte(1 + pair)} }
func peerAddress(pair int) [4]byte    { return [4]byte{127, 78, 1, byte(1 + pair)} }

// sockets are read when something comes, without a goroutine each: the peers
// shall cost little.
type sockets struct{ epoll int }

func newSockets() (sockets, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return sockets{fd}, err
}

func (s sockets) add(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// read hands over what comes, until take fails.
func (s sockets) read(take func(fd int, b []byte) error) error {
	events := make([]unix.EpollEvent, 256)
	buffer := make([]byte, 4096)
	for {
		n, err := unix.EpollWait(s.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			fd := int(e.Fd)
			n, err := unix.Read(fd, buffer)
			if err != nil || n == 0 {
				return fmt.Errorf("a connection has ended: %w", errors.Join(err, unix.ECONNRESET))
			}
			if err := take(fd, buffer[:n]); err != nil {
				return err
			}
		}
	}
}

// streamPeer accepts connections, answers REGISTER and pings.
func streamPeer(args []string) error {
	var pair int
	if err := numbers(args, &pair); err != nil {
		return err
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(listener, &unix.SockaddrInet4{Addr: peerAddress(pair), Port: sipPort}), unix.Listen(listener, 4096)); err != nil {
		return err
	}
	s, err := newSockets()
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() {
		for {
			fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
			if err == nil {
				err = s.add(fd)
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				failed <- fmt.Errorf("accept: %w", err)
				return
			}
		}
	}()
	go func() {
		failed <- s.read(func(fd int, b []byte) error {
			answer := []byte("\r\n")
			if string(b) != "\r\n\r\n" {
				if answer = accept(b); answer == nil {
					return fmt.Errorf("a peer has got %q", b)
				}
			}
			_, err := unix.Write(fd, answer)
			return err
		})
	}()
	go func() { failed <- ready() }()
	return <-failed
}

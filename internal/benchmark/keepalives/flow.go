// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pion/stun/v2"
	"golang.org/x/sys/unix"
)

// peerPort is of all peers, which are one socket with many addresses.
const peerPort = 5070

func flowAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 79 + byte(i>>16), byte(i >> 8), byte(i)})
}

const room = 16 << 20 // for what comes while we do not run

func listenUDP(address string) (*net.UDPConn, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
	})
	return c, errors.Join(err, set)
}

// flowPeer answers REGISTER and Binding requests from the address that they came to.
func flowPeer(args []string) error {
	var pair int
	if err := numbers(args, &pair); err != nil {
		return err
	}
	c, err := listenUDP(fmt.Sprintf("0.0.0.0:%d", peerPort))
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- answerFlows(c) }()
	go func() { failed <- ready() }()
	return <-failed
}

func answerFlows(c *net.UDPConn) error {
	buffer, control := make([]byte, 4096), make([]byte, 256)
	for {
		n, m, _, from, err := c.ReadMsgUDPAddrPort(buffer, control)
		if err != nil {
			return err
		}
		b := buffer[:n]
		answer := accept(b)
		if stun.IsMessage(b) {
			request := stun.Message{Raw: b}
			if err := request.Decode(); err != nil {
				return err
			}
			response, err := stun.Build(stun.NewTransactionIDSetter(request.TransactionID), stun.BindingSuccess,
				&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
			if err != nil {
				return err
			}
			answer = response.Raw
		}
		if answer == nil {
			return fmt.Errorf("a peer has got %q", b)
		}
		to, err := destination(control[:m])
		if err != nil {
			return err
		}
		if _, _, err := c.WriteMsgUDPAddrPort(answer, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: to}), from); err != nil {
			return err
		}
	}
}

// destination is where a datagram was sent to.
func destination(control []byte) (to [4]byte, err error) {
	all, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return to, err
	}
	for _, m := range all {
		const spec, address = 4, 8 // offsets in struct in_pktinfo
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= address+4 {
			return [4]byte(m.Data[address:]), nil
		}
	}
	return to, errors.New("a datagram without its destination")
}

// flowProgram registers with many peers from one socket, and sends nothing more.
// It knows no STUN, and wants to see none.
func flowProgram(args []string) error {
	var pair, n, rate int
	if err := numbers(args, &pair, &n, &rate); err != nil {
		return err
	}
	local := fmt.Sprintf("127.78.0.%d:%d", 1+pair, sipPort)
	c, err := listenUDP(local)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	registered := make(chan bool)
	go func() {
		buffer := make([]byte, 4096)
		for answers := 0; ; {
			m, _, err := c.ReadFromUDPAddrPort(buffer)
			if err != nil {
				failed <- err
				return
			}
			if !bytes.HasPrefix(buffer[:m], []byte("SIP/2.0 200")) {
				failed <- fmt.Errorf("a program has got %q", buffer[:m])
				return
			}
			if answers++; answers == n {
				close(registered)
			}
		}
	}()
	go func() {
		err := paced(n, rate, func(i int) error {
			_, err := c.WriteToUDPAddrPort(register("UDP", local, fmt.Sprintf("%d.%d", pair, i)), netip.AddrPortFrom(flowAddress(i), peerPort))
			return err
		})
		if err != nil {
			failed <- err
			return
		}
		<-registered
		failed <- ready()
	}()
	return <-failed
}

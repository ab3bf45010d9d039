// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/pion/stun/v2"
)

// flowPeer answers REGISTER and Binding requests.
func flowPeer(args []string) error {
	var pair int
	if err := numbers(args, &pair); err != nil {
		return err
	}
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(peerAddress(pair)), sipPort)))
	if err != nil {
		return err
	}
	if err := c.SetReadBuffer(16 << 20); err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- answerFlows(c) }()
	go func() { failed <- ready() }()
	return <-failed
}

func answerFlows(c *net.UDPConn) error {
	buffer := make([]byte, 4096)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		answer, err := answerTo(buffer[:n], from)
		if err != nil {
			return err
		}
		if _, err := c.WriteToUDPAddrPort(answer, from); err != nil {
			return err
		}
	}
}

func answerTo(b []byte, from netip.AddrPort) ([]byte, error) {
	if !stun.IsMessage(b) {
		if answer := accept(b); answer != nil {
			return answer, nil
		}
		return nil, fmt.Errorf("a peer has got %q", b)
	}
	request := stun.Message{Raw: b}
	if err := request.Decode(); err != nil {
		return nil, err
	}
	response, err := stun.Build(stun.NewTransactionIDSetter(request.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
	if err != nil {
		return nil, err
	}
	return response.Raw, nil
}

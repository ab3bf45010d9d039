// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

func (p *peer) stream(c net.Conn) *flow {
	f := &flow{p, "tcp", addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()), c, nil}
	p.Cleanup(func() { c.Close() })
	p.saw(f, opened, "")
	go func() {
		var buffer []byte
		chunk := make([]byte, 16<<10)
		for {
			n, err := c.Read(chunk)
			buffer = p.split(f, append(buffer, chunk[:n]...))
			switch {
			case errors.Is(err, syscall.ECONNRESET):
				p.saw(f, aborted, "")
			case err != nil:
				p.saw(f, ended, "")
			default:
				continue
			}
			return
		}
	}()
	return f
}

func addrOf(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

// split takes what is whole off a stream. A lone CRLF is one that nothing
// follows in its segment.
func (p *peer) split(f *flow, b []byte) []byte {
	for len(b) > 0 {
		head := bytes.Index(b, []byte("\r\n\r\n")) + 4
		switch {
		case head == 4:
			p.saw(f, ping, "")
		case bytes.HasPrefix(b, []byte("\r\n")):
			p.saw(f, pong, "")
			head = 2
		case head < 4:
			return b
		default:
			length, _ := strconv.Atoi(message(b[:head]).field("content-length"))
			if head += length; head > len(b) {
				return b
			}
			p.handle(f, message(b[:head]))
		}
		b = b[head:]
	}
	return nil
}

func (p *peer) receive(c *net.UDPConn) {
	chunk := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFromUDPAddrPort(chunk)
		if err != nil {
			return
		}
		b := chunk[:n]
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		f := &flow{p, "udp", addrOf(c.LocalAddr()), from, nil, c}
		switch {
		case n >= 20 && binary.BigEndian.Uint32(b[4:]) == stunCookie:
			p.saw(f, stun, message(b))
		case string(b) == "\r\n\r\n":
			p.saw(f, ping, "")
		case string(b) == "\r\n":
			p.saw(f, pong, "")
		case bytes.Contains(b, []byte("SIP/2.0")):
			p.handle(f, message(b))
		default:
			p.saw(f, other, message(fmt.Sprintf("%x", b)))
		}
	}
}

const stunCookie = 0x2112A442

// bindingSuccess answers a STUN Binding request (RFC 8489, section 14.2).
func bindingSuccess(request message, from netip.AddrPort) string {
	b := append([]byte{1, 1, 0, 12}, request[4:20]...)
	b = append(b, 0, 0x20, 0, 8, 0, 1)
	b = binary.BigEndian.AppendUint16(b, from.Port()^stunCookie>>16)
	address := from.Addr().As4()
	return string(binary.BigEndian.AppendUint32(b, binary.BigEndian.Uint32(address[:])^stunCookie))
}

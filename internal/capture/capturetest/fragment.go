// SPDX-License-Identifier: Apache-2.0

package capturetest

import "encoding/binary"

// Fragments cuts an IP packet into pieces of at most so many bytes of payload,
// a multiple of eight.
func Fragments(ip []byte, size int) [][]byte {
	if ip[0]>>4 == 4 {
		return fragments4(ip, size)
	}
	return fragments6(ip, size)
}

func fragments4(ip []byte, size int) (all [][]byte) {
	const header = 20
	for at := 0; at < len(ip)-header; at += size {
		end := min(header+at+size, len(ip))
		b := append(append([]byte(nil), ip[:header]...), ip[header+at:end]...)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		offset := uint16(at / 8)
		if end < len(ip) {
			offset |= 0x2000 // more follow
		}
		binary.BigEndian.PutUint16(b[6:], offset)
		binary.BigEndian.PutUint16(b[10:], checksum(b[:header]))
		all = append(all, b)
	}
	return all
}

// checksum is that of an IPv4 header (RFC 791 section 3.1).
func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		if i != 10 { // itself
			sum += uint32(binary.BigEndian.Uint16(header[i:]))
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func fragments6(ip []byte, size int) (all [][]byte) {
	const header = 40
	for at := 0; at < len(ip)-header; at += size {
		end := min(header+at+size, len(ip))
		extension := []byte{ip[6], 0, 0, 0, 0, 0, 0x12, 0x34}
		offset := uint16(at)
		if end < len(ip) {
			offset |= 1 // more follow
		}
		binary.BigEndian.PutUint16(extension[2:], offset)
		b := append(append([]byte(nil), ip[:header]...), extension...)
		b = append(b, ip[header+at:end]...)
		b[6] = 44
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-header))
		all = append(all, b)
	}
	return all
}

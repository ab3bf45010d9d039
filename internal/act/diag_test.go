// SPDX-License-Identifier: Apache-2.0

package act

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Little-endian, as all machines that viaduct runs on.
func TestDestroyRequest(t *testing.T) {
	for _, tt := range []struct{ local, remote, want string }{
		{"192.0.2.1:5060", "198.51.100.2:40000",
			"48000000 1500 0500 00000000 00000000 02 06 00 00 ffffffff 13c4 9c40" +
				" c0000201000000000000000000000000 c6336402000000000000000000000000 00000000 44332211 88776655"},
		{"[::ffff:192.0.2.1]:5060", "[::ffff:198.51.100.2]:40000",
			"48000000 1500 0500 00000000 00000000 02 06 00 00 ffffffff 13c4 9c40" +
				" c0000201000000000000000000000000 c6336402000000000000000000000000 00000000 44332211 88776655"},
		{"[2001:db8::1]:5060", "[2001:db8::2]:40000",
			"48000000 1500 0500 00000000 00000000 0a 06 00 00 ffffffff 13c4 9c40" +
				" 20010db8000000000000000000000001 20010db8000000000000000000000002 00000000 44332211 88776655"},
	} {
		target := Target{Socket: 0x5566778811223344, Local: netip.MustParseAddrPort(tt.local), Remote: netip.MustParseAddrPort(tt.remote)}
		want, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(tt.want), []byte(" "), nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got := destroyRequest(target); !bytes.Equal(got, want) {
			t.Errorf("%s to %s:\n%x, want\n%x", tt.local, tt.remote, got, want)
		}
	}
}

func TestDestroyAnswer(t *testing.T) {
	answer := func(kind uint16, code int32) []byte {
		b := make([]byte, diagHeadBytes+4)
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint32(b[diagHeadBytes:], uint32(code))
		return b
	}
	for _, tt := range []struct {
		name   string
		answer []byte
		want   error // nil: none
		fine   bool
	}{
		{"acknowledged", answer(unix.NLMSG_ERROR, 0), nil, true},
		{"no such socket", answer(unix.NLMSG_ERROR, -int32(unix.ENOENT)), unix.ENOENT, false},
		{"not in this kernel", answer(unix.NLMSG_ERROR, -int32(unix.EOPNOTSUPP)), unix.EOPNOTSUPP, false},
		{"something else", answer(unix.NLMSG_DONE, 0), nil, false},
		{"cut", answer(unix.NLMSG_ERROR, 0)[:diagHeadBytes+3], nil, false},
		{"nothing", nil, nil, false},
	} {
		err := destroyAnswer(tt.answer)
		if (err == nil) != tt.fine || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

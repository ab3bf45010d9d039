// SPDX-License-Identifier: Apache-2.0

package keepalive

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// The addresses of the first two are those of the test vectors of RFC 5769.
func TestReadBinding(t *testing.T) {
	const head = "2112a442 b7e7a701bc34d686fa87dfae"
	for _, tt := range []struct {
		name, b string
		want    Binding
	}{
		{"IPv4", "0101000c" + head + "00200008 0001a147e112a643", Binding{Whole: true, XORMapped: true, Mapped: netip.MustParseAddrPort("192.0.2.1:32853")}},
		{"IPv6", "01010018" + head + "00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9", Binding{Whole: true, XORMapped: true, Mapped: netip.MustParseAddrPort("[2001:db8:1234:5678:11:2233:4455:6677]:32853")}},
		{"no attributes", "00010000" + head, Binding{Whole: true}},
		{"MAPPED-ADDRESS", "0101000c" + head + "00010008 000113c4c0000201", Binding{Whole: true, Plain: true}},
		{"address of another family", "0101000c" + head + "00200008 0002a147e112a643", Binding{Whole: true, XORMapped: true}},
		{"420, with padding before", "01110018" + head + "80220003 61626300 00090004 00000414 000a0002 00010000", Binding{Whole: true, Code: 420, Unknown: true}},
		{"credentials", "00010008" + head + "00060004 61626364", Binding{Whole: true, Login: true}},
		{"length of another", "0001000c" + head + "00060004 61626364", Binding{}},
		{"attribute beyond the end", "00010008" + head + "00060005 61626364", Binding{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(strings.ReplaceAll(tt.b, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got := ReadBinding(b)
			tt.want.Type, tt.want.ID = uint16(b[0])<<8|uint16(b[1]), [12]byte(b[8:])
			if got != tt.want {
				t.Errorf("%+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func FuzzReadBinding(f *testing.F) {
	f.Add([]byte("\x01\x01\x00\x0c\x21\x12\xa4\x42123456789012\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if kind, ok := Classify(b); !ok || kind == Datagram {
			return
		}
		if m := ReadBinding(b); m.Mapped.IsValid() && !m.XORMapped {
			t.Errorf("an address from nowhere: %+v", m)
		}
	})
}

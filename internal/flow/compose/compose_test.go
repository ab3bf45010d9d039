// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

func TestVia(t *testing.T) {
	for _, tt := range []struct {
		via   string
		edits []string
		want  string
	}{
		{"SIP/2.0/UDP h;branch=z;rport", []string{"rport=5", "keep"}, "SIP/2.0/UDP h;branch=z;rport=5;keep"},
		{"SIP/2.0/UDP h;Keep;branch=z", []string{"keep=30"}, "SIP/2.0/UDP h;keep=30;branch=z"},
		{"SIP/2.0/UDP h;keep;branch=z;keep=1", []string{"-keep"}, "SIP/2.0/UDP h;branch=z"},
		{"SIP/2.0/UDP h;keep", []string{"+keep"}, "SIP/2.0/UDP h;keep;keep"},
		{`SIP/2.0/UDP h;a="x;y";b`, []string{"-b"}, `SIP/2.0/UDP h;a="x;y"`},
	} {
		v := ParseVia(tt.via)
		for _, e := range tt.edits {
			v.Edit(e)
		}
		if v.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.via, v.String(), tt.want)
		}
	}
}

// TestStun compares with the response of RFC 5769 section 2.2, without its
// integrity, as far as its address goes.
func TestStun(t *testing.T) {
	id, err := hex.DecodeString("b7e7a701bc34d686fa87dfae")
	if err != nil {
		t.Fatal(err)
	}
	m := NewStun(BindingSuccess, [12]byte(id))
	m.XorMapped(netip.MustParseAddrPort("192.0.2.1:32853"))
	want := "0101000c2112a442b7e7a701bc34d686fa87dfae002000080001a147e112a643"
	if got := hex.EncodeToString(m.Bytes()); got != want {
		t.Errorf("IPv4: %s, want %s", got, want)
	}
	m = NewStun(BindingSuccess, [12]byte(id))
	m.XorMapped(netip.MustParseAddrPort("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
	want = "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
	if got := hex.EncodeToString(m.Bytes()); !strings.HasSuffix(got, want) {
		t.Errorf("IPv6: %s, want %s", got, want)
	}
	for _, name := range AttributeNames() {
		n := len(m.Bytes())
		if !m.Named(name) || len(m.Bytes()) <= n || len(m.Bytes())%4 != 0 {
			t.Errorf("attribute %s", name)
		}
	}
	if b := m.Bytes(); int(b[2])<<8+int(b[3]) != len(b)-20 {
		t.Errorf("length %d of %d bytes", int(b[2])<<8+int(b[3]), len(b))
	}
}

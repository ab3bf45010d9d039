// SPDX-License-Identifier: Apache-2.0

package tlswire

import (
	"crypto/tls"
	"reflect"
	"testing"

	"github.com/viaduct-project/viaduct/agent/internal/shake"
)

// FuzzHear: what is found does not depend on how the bytes are cut, no name
// holds what a terminal would act on, and a record that is said to begin had a
// header that could be one.
func FuzzHear(f *testing.F) {
	cert := [32]byte{7: 1}
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0, 23, 3, 3, 0, 1, 'x'}, []byte{22, 3, 3, 0, 4, 14, 0, 0, 0}, uint8(3))
	f.Add([]byte{20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 200}, cert[:], uint8(1))
	f.Fuzz(func(t *testing.T, client, server []byte, cut uint8) {
		whole, pieces := &listener{}, &listener{}
		for side, b := range [2][]byte{client, server} {
			whole.hear(side, b)
			for n := 1 + int(cut); len(b) > n && pieces.readers[side].InStep(); b = b[n:] {
				pieces.hear(side, b[:n])
			}
			if pieces.readers[side].InStep() {
				pieces.hear(side, b)
			}
		}
		for side := range 2 {
			if whole.readers[side].Missed != pieces.readers[side].Missed {
				t.Fatalf("out of step %d times, in pieces %d", whole.readers[side].Missed, pieces.readers[side].Missed)
			}
			if !reflect.DeepEqual(whole.records[side], pieces.records[side]) {
				t.Fatalf("records %v, in pieces %v", whole.records[side], pieces.records[side])
			}
			for _, r := range whole.records[side] {
				if r.Type < 20 || r.Type > 23 || r.Length > lengthMax {
					t.Fatalf("%+v is no record", r)
				}
			}
		}
		whole.Alerted, pieces.Alerted = [2]bool{}, [2]bool{} // the listener does not pass on alerts
		if !reflect.DeepEqual(whole.Session, pieces.Session) {
			t.Fatalf("%+v, in pieces %+v", whole.Session, pieces.Session)
		}
		for _, names := range [][]string{whole.Offered, {whole.SNI, whole.ALPN}, whole.ServerNames.All(), whole.ClientNames.All()} {
			for _, n := range names {
				if n != "" && !printable(n) {
					t.Fatalf("the name %q", n)
				}
			}
		}
	})
}

// TestDamaged: real handshakes with one bit changed, each in turn, are read as
// far as they can be, and nothing falls over.
func TestDamaged(t *testing.T) {
	server := &tls.Config{Certificates: []tls.Certificate{shake.Certificate(t, "", "example.com")}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	all := shake.Talk(t, &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"}, server)
	read := 0
	for i := range all {
		for at := range all[i].Bytes {
			b := all[i].Bytes[at]
			all[i].Bytes[at] ^= 1 << (at % 8)
			if got := heard(all, 0); got.ServerNames != nil {
				read++
			}
			all[i].Bytes[at] = b
		}
	}
	if read == 0 {
		t.Error("no handshake was read with a bit changed in what is random in it")
	}
}

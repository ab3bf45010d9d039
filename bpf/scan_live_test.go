// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"net"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
)

// TestScanOfMany: of more sockets than a pass has room for, each has its figures
// once, those of its own.
func TestScanOfMany(t *testing.T) {
	r := record(t, Options{}, "127.0.0.73")
	spec, err := loadPrograms()
	if err != nil {
		t.Fatal(err)
	}
	room := int(spec.Maps[programsMapFigures].MaxEntries)
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: r.address.AsSlice(), Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wrote := make(map[uint16]uint64) // bytes, by the client's port
	for i := range room/2 + 100 {    // both ends are here
		client, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		n, err := client.Write(make([]byte, i%8+1))
		if err != nil {
			t.Fatal(err)
		}
		wrote[uint16(client.LocalAddr().(*net.TCPAddr).Port)] = uint64(n)
	}
	seen := make(map[uint64]bool)
	err = r.Scan(func(e *event.Event) {
		if e.Transport != event.TCP || e.Local.Addr() != r.address && e.Remote.Addr() != r.address || e.Remote.Port() == 0 {
			return
		}
		if seen[e.Socket] {
			t.Errorf("socket %d twice", e.Socket)
		}
		seen[e.Socket] = true
		if want := wrote[e.Remote.Port()]; e.Local.Port() == 5060 && e.Counts.BytesReceived != want {
			t.Errorf("%s has received %d bytes, want %d", e.Remote, e.Counts.BytesReceived, want)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2*len(wrote) {
		t.Errorf("figures of %d sockets, want %d", len(seen), 2*len(wrote))
	}
}

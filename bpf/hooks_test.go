// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"slices"
	"testing"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

func TestHooksSayWhatIsAttached(t *testing.T) {
	testutil.RequireRoot(t)
	p, err := Load(Options{RingBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()

	want := []Hook{
		{Program: "tcp_state", Attached: true},
		{Program: "packet_in", Attached: true},
		{Program: "packet_out", Attached: true},
	}
	check := func() {
		t.Helper()
		got, err := p.Hooks()
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].Runs, got[i].RunTime, got[i].Missed = 0, 0, 0 // the host's
		}
		if !slices.Equal(got, want) {
			t.Errorf("hooks are %v, want %v", got, want)
		}
	}
	check()
	// As somebody with bpftool could.
	if err := p.links[1].Detach(); err != nil {
		t.Fatal(err)
	}
	want[1].Attached = false
	check()
}

func BenchmarkHooks(b *testing.B) {
	testutil.RequireRoot(b)
	p, err := Load(Options{RingBytes: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for b.Loop() {
		if _, err := p.Hooks(); err != nil {
			b.Fatal(err)
		}
	}
}

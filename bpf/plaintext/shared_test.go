// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
)

// What is written to by several processes is told from what each has of its own,
// also when it was mapped since; where nothing is known it may be shared.
func TestShared(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "7"), 0o700); err != nil {
		t.Fatal(err)
	}
	maps := `1000-2000 r-xp 00000000 fe:00 11 /usr/sbin/server
2000-3000 rw-p 00000000 00:00 0 [heap]
5000-6000 rw-s 00000000 00:01 44 /dev/zero (deleted)
nonsense
`
	write := func() {
		if err := os.WriteFile(filepath.Join(dir, "7", "maps"), []byte(maps), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	m := memory{dir, make(map[uint32]looked)}
	now := event.Time(1_000_000_000_000)
	want := func(pid uint32, address uint64, shared bool) {
		t.Helper()
		if got := m.shared(pid, address, now); got != shared {
			t.Errorf("%#x of %d: %v", address, pid, got)
		}
	}
	want(7, 0x2000, false)
	want(7, 0x2fff, false)
	want(7, 0x5800, true)
	want(7, 0x1800, true) // nothing that a session could lie in
	want(7, 0x3800, true)
	maps += "7000-8000 rw-p 00000000 00:00 0\n"
	write()
	want(7, 0x7000, false)
	want(8, 0x2000, true)
	if err := os.Remove(filepath.Join(dir, "7", "maps")); err != nil {
		t.Fatal(err)
	}
	want(7, 0x2000, false)
	now = now.Add(lookAgain)
	want(7, 0x2000, true) // it has ended, and the pid may be another's
}

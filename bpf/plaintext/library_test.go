// SPDX-License-Identifier: Apache-2.0

package plaintext

import (
	"os"
	"path/filepath"
	"testing"
)

// A library is read anew when another one lies at its place, also with the inode
// of the one before.
func TestReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.so")
	l := &Probes{offsets: make(map[file]offsets)}
	useful := func(from string) (found bool, inode uint64) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil { // the inode stays
			t.Fatal(err)
		}
		at, err := l.offsetsOf(path)
		if err != nil {
			t.Fatal(err)
		}
		id, err := fileOf(path)
		if err != nil {
			t.Fatal(err)
		}
		return have([]offsets{at}, "SSL_read"), id.inode
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	libssl, err := filepath.Glob("/usr/lib/*/libssl.so.3")
	if err != nil || len(libssl) != 1 {
		t.Fatalf("Debian's libssl: %v, %v", libssl, err)
	}
	first, inode := useful(self)
	second, same := useful(libssl[0])
	if first || !second || inode != same {
		t.Errorf("SSL_read in this program: %v, in libssl: %v, inodes %d and %d", first, second, inode, same)
	}
}

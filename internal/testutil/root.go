// SPDX-License-Identifier: Apache-2.0

// Package testutil holds what tests of several packages share.
package testutil

import (
	"os"
	"testing"
)

// RequireRoot skips a test that loads BPF programs or makes namespaces when it
// is not run as root. With VIADUCT_STRICT=1, as in CI, it fails instead: what
// can run must run.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("VIADUCT_STRICT") == "1" {
		t.Fatal("needs root, and VIADUCT_STRICT=1 allows no skip")
	}
	t.Skip("needs root")
}

// Missing skips a test for want of a program that scripts/setup.sh installs, or
// a file that it fetches. With VIADUCT_STRICT=1 it fails instead.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("VIADUCT_STRICT") == "1" {
		t.Fatalf("%s is missing, and VIADUCT_STRICT=1 allows no skip: run scripts/setup.sh", what)
	}
	t.Skipf("%s is missing: scripts/setup.sh gets it", what)
}

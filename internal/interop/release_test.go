// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"sync"
	"testing"

	"github.com/viaduct-project/viaduct/internal/testutil/release"
)

// What other Debian releases have, by a short name.
var others = map[string]struct {
	suite    string
	packages []string
}{
	"asterisk22":  {"sid", []string{"asterisk"}},
	"asterisk16":  {"bullseye", []string{"asterisk"}},
	"kamailio6.0": {"trixie", []string{"kamailio", "kamailio-outbound-modules", "kamailio-tls-modules"}},
	"kamailio6.1": {"sid", []string{"kamailio", "kamailio-outbound-modules", "kamailio-tls-modules"}},
}

var fetching sync.Mutex // one at a time: several cases want the same

func elsewhere(t testing.TB, name string) *release.Release {
	t.Helper()
	fetching.Lock()
	defer fetching.Unlock()
	r := release.Fetch(t, others[name].suite, others[name].packages...)
	return &r
}

// SPDX-License-Identifier: Apache-2.0

package negotiate

import (
	"testing"

	"github.com/viaduct-project/viaduct/internal/event"
)

// However many agreements there are, what is saved of them can be restored,
// and the newest are among it.
func TestSaveBound(t *testing.T) {
	const more = MaxSavedAgreements + 5
	tb, s := NewAgreements(more), new(State)
	for key := range uint64(more) {
		tb.add(&Agreement{By: event.Out, Scope: ScopeDialog, key: key + 1}, s)
	}
	saved := s.Save()
	if n := len(saved.Agreements); n != MaxSavedAgreements || saved.Agreements[n-1].Key != more || !saved.Valid() {
		t.Errorf("%d agreements, valid: %v", n, saved.Valid())
	}
}

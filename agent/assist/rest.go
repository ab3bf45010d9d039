// SPDX-License-Identifier: Apache-2.0

package assist

import (
	"net/netip"

	"github.com/viaduct-project/viaduct/internal/event"
)

// Rested is what of a Flow another process can take up. When the next
// keep-alive was due is not in it: the next process draws anew.
type Rested struct {
	Sends   bool           `json:",omitempty"` // viaduct does, the program does not
	Answers bool           `json:",omitempty"`
	Stopped event.Time     `json:",omitempty"` // 0: it is not
	Mapped  netip.AddrPort `json:",omitzero"`
}

// Rest returns what is to be kept of f, nil if that is nothing.
func (f *Flow) Rest() *Rested {
	r := Rested{Sends: f.Own > 0 && !f.Active(), Answers: f.Answers, Stopped: f.StoppedAt(), Mapped: f.Mapped()}
	if r == (Rested{}) {
		return nil
	}
	return &r
}

// Resume takes up what another process knew. Call it before Begin. If that
// process was sending, the first is due soon: nobody has sent meanwhile.
func (f *Flow) Resume(r *Rested) {
	f.Answers, f.resumed = r.Answers, r.Sends
	if r.Stopped != 0 {
		f.State, f.stopped = Stopped, r.Stopped
	}
	if r.Mapped.IsValid() {
		f.stun = &binding{mapped: r.Mapped}
	}
}

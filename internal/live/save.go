// SPDX-License-Identifier: Apache-2.0

package live

import "github.com/viaduct-project/viaduct/agent/saved"

// Save returns what the next agent on this host needs to know, without the
// host's boot id.
func (w *Watch) Save() *saved.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.core.Save()
}

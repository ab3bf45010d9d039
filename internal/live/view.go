// SPDX-License-Identifier: Apache-2.0

package live

import (
	"os"

	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/internal/act"
	"github.com/viaduct-project/viaduct/internal/view"
)

// View shows a piece of what was seen up to now, while w goes on.
func (w *Watch) View() *view.View {
	return &view.View{Lock: &w.mu, Core: w.core, Now: w.probes.Now, Host: host(), Features: w.features()}
}

// Sent is what became of the keep-alives that were written into sockets. It may be
// called from any goroutine.
func (w *Watch) Sent() act.Sent { return w.hands.sent() }

func host() report.Host {
	h := report.Host{Kernel: bpf.Release()}
	if name, err := os.Hostname(); err == nil {
		h.Name = name
	}
	return h
}

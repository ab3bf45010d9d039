// SPDX-License-Identifier: Apache-2.0

package exporter

import "github.com/prometheus/client_golang/prometheus"

// collectTLS shows how reading what is inside TLS connections is going.
func collectTLS(ch chan<- prometheus.Metric, s *Sample) {
	t := &s.TLS
	tlsBindings.value(ch, float64(t.Bound), "bound")
	tlsBindings.value(ch, float64(t.Confirmed), "confirmed")
	tlsBindings.value(ch, float64(t.Conflicting), "conflicting")
	tlsBindings.value(ch, float64(t.Doubted), "doubted")
	tlsUnbound.value(ch, float64(t.UnboundBytes))
	tlsProcesses.value(ch, float64(t.Seen), "seen")
	tlsProcesses.value(ch, float64(t.Opaque), "opaque")
}

// SPDX-License-Identifier: Apache-2.0

package exporter

import "github.com/prometheus/client_golang/prometheus"

// collectExports shows what left the agent, and what should have.
func collectExports(ch chan<- prometheus.Metric, s *Sample) {
	for _, both := range []struct {
		of   *family
		what Exports
	}{{exported, s.Exported}, {unexported, s.Unexported}} {
		both.of.value(ch, float64(both.what.Records), "records")
		both.of.value(ch, float64(both.what.HEP), "hep")
		both.of.value(ch, float64(both.what.Stream), "stream")
	}
}

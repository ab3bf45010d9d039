// SPDX-License-Identifier: Apache-2.0

// Package fleet holds what Prometheus and Grafana need to watch the agents of
// many hosts: recording rules, alerts, and a dashboard, which is made from the
// description in this package.
package fleet

import _ "embed" // the files

var (
	// Rules are recording rules for Prometheus.
	//
	//go:embed rules.yaml
	Rules []byte
	// Alerts are alerts for Prometheus, which read what Rules record.
	//
	//go:embed alerts.yaml
	Alerts []byte
)

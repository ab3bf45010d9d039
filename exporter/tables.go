// SPDX-License-Identifier: Apache-2.0

package exporter

import "github.com/viaduct-project/viaduct/agent/metrics"

// table is a table of the core's state.
type table struct {
	name string
	n    uint64
}

func tables(s *metrics.Sizes) []table {
	return []table{
		{"connections", uint64(s.Connections)},
		{"flows", uint64(s.Flows)},
		{"sockets", uint64(s.Sockets)},
		{"transactions", uint64(s.Transactions)},
		{"dialogs", uint64(s.Dialogs)},
		{"bindings", uint64(s.Bindings)},
		{"agreements", uint64(s.Agreements)},
		{"waiting", uint64(s.Waiting)},
		{"early", uint64(s.Early)},
		{"opened", uint64(s.Opened)},
		{"pairs", uint64(s.Pairs)},
		{"closed", uint64(s.Closed)},
		{"peers", uint64(s.Peers)},
		{"findings", uint64(s.Findings)},
		{"timers", uint64(s.Timers)},
	}
}

func evictions(e *metrics.Evicted) []table {
	return []table{
		{"connections", e.Connections},
		{"flows", e.Flows},
		{"sockets", e.Sockets},
		{"transactions", e.Transactions},
		{"dialogs", e.Dialogs},
		{"bindings", e.Bindings},
		{"agreements", e.Agreements},
		{"pairs", e.Pairs},
		{"closed", e.Closed},
		{"findings", e.Findings},
		{"timers", e.Timers},
		{"notes", e.Notes},
		{"marks", e.Marks},
	}
}

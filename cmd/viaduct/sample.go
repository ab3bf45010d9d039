// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/viaduct-project/viaduct/bpf"
	"github.com/viaduct-project/viaduct/bpf/plaintext"
	"github.com/viaduct-project/viaduct/exporter"
	"github.com/viaduct-project/viaduct/internal/live"
)

// sample takes what a scrape shows. It may be called from any goroutine.
func sample(w *live.Watch) (exporter.Sample, error) {
	probes := w.Probes()
	counters, err := probes.Counters()
	if err != nil {
		return exporter.Sample{}, err
	}
	hooks, err := probes.Hooks()
	if err != nil {
		return exporter.Sample{}, err
	}
	tls, err := w.TLS()
	if err != nil {
		return exporter.Sample{}, err
	}
	sent := w.Sent()
	s := exporter.Sample{
		Snapshot: w.Metrics(),
		Kernel: exporter.Kernel{
			Unreadable:     counters.Unreadable + tls.Probes.Unreadable,
			LostBytes:      counters.LostBytes + tls.Probes.LostBytes,
			TruncatedBytes: counters.TruncatedBytes,
		},
		Sends: exporter.Sends{
			Done: sent.Done, Refrained: sent.Caught, Late: sent.Late, Took: sent.Held,
			Swallowed: counters.Swallowed, Unasked: probes.NotAsked(),
		},
	}
	s.TLS = exporter.TLS{
		Bound: tls.Binding.Bound, Confirmed: tls.Binding.Confirmed, Conflicting: tls.Binding.Conflicting, Doubted: tls.Binding.Doubted,
		UnboundBytes: tls.Binding.UnboundBytes, Seen: tls.Followed, Opaque: tls.Opaque,
	}
	for _, h := range hooks {
		s.Kernel.Recursion += h.Missed
		s.Programs = append(s.Programs, exporter.Program{Name: h.Program, Attached: h.Attached, Runs: h.Runs, RunTime: h.RunTime})
	}
	return s, nil
}

// features says which features this host has in full, and logs the others.
func features(log *slog.Logger) map[string]bool {
	there := make(map[string]bool)
	for _, f := range append(bpf.Diagnose(), plaintext.Diagnose()...) {
		there[f.Name] = f.State == bpf.There
		if !there[f.Name] {
			log.Info("Feature is not there in full", "feature", f.Name, "state", f.State, "why", f.Why)
		}
	}
	return there
}

// lossesEvery keeps a host that loses all the time from filling its log.
const lossesEvery = time.Minute

// logLosses logs, at most once a minute, what was lost since it did so before.
// It returns when ctx is done.
func logLosses(ctx context.Context, log *slog.Logger, take func() (exporter.Sample, error)) {
	ticker := time.NewTicker(lossesEvery)
	defer ticker.Stop()
	logged := make(map[string]uint64)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s, err := take()
		if err != nil {
			log.Warn("Losses are not known", "err", err)
			continue
		}
		var lost []any
		for _, l := range s.Losses() {
			if n := l.Events - logged[l.Reason]; n > 0 {
				lost = append(lost, l.Reason, n)
				logged[l.Reason] = l.Events
			}
		}
		if lost != nil {
			log.Warn("Lost events", lost...)
		}
	}
}

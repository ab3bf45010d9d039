// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

// A scrape that cannot be answered in full must fail, not show a part.
func TestFailedSampleFailsTheScrape(t *testing.T) {
	var log bytes.Buffer
	broken := NewCollector(func() (Sample, error) { return zero(), errors.New("no such map") }, nil)
	w := httptest.NewRecorder()
	NewHandler(NewRegistry(broken), slog.New(slog.NewTextHandler(&log, nil))).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if body := w.Body.String(); w.Code != 500 || !strings.Contains(body, "no such map") || strings.Contains(body, "viaduct_messages_total") {
		t.Errorf("status %d, body %.300q", w.Code, body)
	}
	if !strings.Contains(log.String(), "no such map") {
		t.Errorf("log %q does not say why", log.String())
	}
}

func TestScrape(t *testing.T) {
	w := httptest.NewRecorder()
	NewHandler(NewRegistry(collectorOf(zero())), slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`viaduct_messages_total{direction="in",method="INVITE",transport="tcp",type="request"} 0`,
		`viaduct_build_info{`,
		`process_cpu_seconds_total `,
		`promhttp_metric_handler_errors_total{`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), line) {
			t.Errorf("status %d, and no %s", w.Code, line)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"github.com/viaduct-project/viaduct/agent/metrics"
	"github.com/viaduct-project/viaduct/agent/rule"
	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/sipparse"
)

// Label values by index. The sizes come from the core, so that a new value
// there is an empty name here, which a test finds.
var (
	transportNames = [metrics.Transports]string{event.TCP: "tcp", event.TLS: "tls", event.UDP: "udp"}
	sideNames      = [metrics.Sides]string{event.Unknown: "unknown", event.Local: "local", event.Remote: "remote"}
	closerNames    = [metrics.Closers]string{event.Unknown: "unknown", event.Local: "local", event.Remote: "remote", metrics.ByAgent: "viaduct"}
	directionNames = [metrics.Directions]string{event.In: "in", event.Out: "out"}
	typeNames      = [metrics.Types]string{metrics.Request: "request", metrics.Response: "response"}
	howNames       = [metrics.Hows]string{
		event.HowUnknown: "unknown", event.FIN: "fin", event.RST: "rst", event.Timeout: "timeout",
		event.Refused: "refused", event.Unreachable: "unreachable", event.Expired: "expired",
	}
	actionNames = [rule.NumActions]string{rule.Close: "close", rule.Protect: "protect",
		rule.KeepaliveTCP: "keepalive-tcp", rule.KeepaliveCRLF: "keepalive-crlf", rule.KeepaliveSTUN: "keepalive-stun",
		rule.Limit: "limit", rule.Refuse: "refuse"}
	modeNames    = [metrics.Modes]string{"observe", "dry-run", "enforce"}
	outcomeNames = [metrics.Outcomes]string{"done", "skipped", "failed"}
	originNames  = [metrics.Origins]string{metrics.Application: "application", metrics.Viaduct: "viaduct"}
	kindNames    = [metrics.Kinds]string{
		event.Opened: "opened", event.Data: "data", event.HalfClosed: "half-closed", event.Closed: "closed",
		event.Owner: "owner", event.Figures: "figures", event.Listening: "listening", event.Record: "record",
		event.ClosureAlert: "closure-alert",
	}
)

// methodName is "other" for every method that sipparse has no name for: a
// label must not hold what a message says.
func methodName(m sipparse.Method) string {
	if m == sipparse.MethodUnknown {
		return "other"
	}
	return m.String()
}

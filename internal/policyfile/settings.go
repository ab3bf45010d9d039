// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/agent/policy"
)

// Setting is a key of a row with its value, as the file would have it.
type Setting struct{ Key, Value string }

// Settings are all that is in force for a row, be it its own or from the
// defaults, without its name and match.
func Settings(p *policy.Peer) []Setting {
	return []Setting{
		{"class", p.Class.String()},
		{"enforce", p.Enforce.String()},
		{"ephemeral", mapped(lasting("idle_timeout", p.Ephemeral.IdleTimeout), "close: "+p.Ephemeral.Close.String())},
		{"persistent", persistentSetting(&p.Persistent)},
		{"keepalive", keepaliveSetting(&p.Keepalive)},
		{"limits", limitsSetting(&p.Limits)},
	}
}

func persistentSetting(p *policy.Persistent) string {
	most, keepalive := "", ""
	if p.MaxConnections >= 0 {
		most = fmt.Sprintf("max_connections: %d", p.MaxConnections)
	}
	if k := p.TCPKeepalive; k.Idle > 0 {
		keepalive = "tcp_keepalive: " + mapped(lasting("idle", k.Idle), lasting("interval", k.Interval), fmt.Sprintf("probes: %d", k.Probes))
	}
	return mapped(most, lasting("min_timeout", p.MinTimeout), lasting("max_timeout", p.MaxTimeout), keepalive, lasting("user_timeout", p.UserTimeout))
}

func keepaliveSetting(k *policy.Keepalive) string {
	onFailure := "report"
	if k.CloseOnFailure {
		onFailure = "close"
	}
	return mapped("inject: "+k.Inject.String(), "method: "+k.Method.String(), lasting("interval", k.Interval),
		"on_failure: "+onFailure, fmt.Sprintf("swallow_stun_answers: %t", k.SwallowStunAnswers))
}

func limitsSetting(l *policy.Limits) string {
	if !l.Any() {
		return "{}"
	}
	rate, most, direction := "", "", "both"
	if l.ConnectsPerSecond > 0 {
		rate = "connects_per_second: " + strconv.FormatFloat(l.ConnectsPerSecond, 'f', -1, 64)
	}
	if l.MaxConnections > 0 {
		most = fmt.Sprintf("max_connections: %d", l.MaxConnections)
	}
	switch {
	case !l.Out:
		direction = "in"
	case !l.In:
		direction = "out"
	}
	burst := ""
	if l.Burst > 0 {
		burst = fmt.Sprintf("burst: %d", l.Burst)
	}
	return mapped(rate, burst, most, "direction: "+direction)
}

// mapped writes a mapping of those that are not empty.
func mapped(all ...string) string {
	var there []string
	for _, s := range all {
		if s != "" {
			there = append(there, s)
		}
	}
	return "{" + strings.Join(there, ", ") + "}"
}

func lasting(key string, d time.Duration) string {
	if d == 0 {
		return ""
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return key + ": " + s
}

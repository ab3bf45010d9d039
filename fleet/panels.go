// SPDX-License-Identifier: Apache-2.0

package fleet

// kind of a panel, in Grafana's words.
type kind string

const (
	lines   kind = "timeseries"
	number  kind = "stat"
	heatmap kind = "heatmap"
	table   kind = "table"
)

// Query is one of a panel.
type Query struct{ Expr, Legend string }

// Panel shows queries. Four of width 6 stand beside each other.
type Panel struct {
	Title, About string
	Kind         kind
	Unit         string // Grafana's name of it
	Width        int
	Queries      []Query
}

// row is a heading and the panels below it.
type row struct {
	title  string
	panels []Panel
}

const (
	// of are the labels that the dashboard is filtered by.
	of     = `job=~"$job",instance=~"$instance",peer=~"$peer"`
	target = `job=~"$job",instance=~"$instance"`
)

var rows = []row{
	{"At a glance", []Panel{
		{"Agents", "That are scraped.", number, "short", 4,
			[]Query{{`count(viaduct_build_info{` + target + `})`, ""}}},
		{"Open connections", "With UDP flows.", number, "short", 4,
			[]Query{{`sum(viaduct_connections{` + of + `})`, ""}}},
		{"Persistent connections", "That both sides mean to keep.", number, "short", 4,
			[]Query{{`sum(viaduct_connections{class="persistent",` + of + `})`, ""}}},
		{"Requests per connection", "Of connections that have ended: 1 means that none is used again.", number, "short", 4,
			[]Query{{`sum(rate(viaduct_requests_per_connection_sum{` + of + `}[$__range])) / sum(rate(viaduct_requests_per_connection_count{` + of + `}[$__range]))`, ""}}},
		{"Violations", "Broken rules in the time shown.", number, "short", 4,
			[]Query{{`sum(increase(viaduct_findings_total{severity="violation",` + of + `}[$__range]))`, ""}}},
		{"Events lost", "In the time shown; more than 0 means that figures here are too low.", number, "short", 4,
			[]Query{{`sum(increase(viaduct_events_lost_total{reason!="parse_errors",` + target + `}[$__range]))`, ""}}},
	}},
	{"Connections", []Panel{
		{"Open, by class", "unidirectional: requests go one way; bidirectional: both; persistent: kept by agreement.", lines, "short", 12,
			[]Query{{`sum by (class) (viaduct_connections{` + of + `})`, "{{class}}"}}},
		{"Open, by peer", "Peers are the rows of the policy.", lines, "short", 12,
			[]Query{{`sum by (peer) (viaduct_connections{` + of + `})`, "{{peer}}"}}},
		{"Opened", "Per second, by who has opened them.", lines, "cps", 12,
			[]Query{{`sum by (peer, initiator) (rate(viaduct_connections_opened_total{transport!="udp",` + of + `}[$__rate_interval]))`, "{{peer}} by {{initiator}}"}}},
		{"Closed", "Per second, by who has closed them and how.", lines, "cps", 12,
			[]Query{{`sum by (by, how) (rate(viaduct_connections_closed_total{transport!="udp",` + of + `}[$__rate_interval])) > 0`, "{{how}} by {{by}}"}}},
		{"Failed connects", "Per second.", lines, "cps", 8,
			[]Query{{`sum by (peer, reason) (rate(viaduct_connect_failures_total{` + of + `}[$__rate_interval]))`, "{{peer}}: {{reason}}"}}},
		{"Handshake", "From SYN to established.", lines, "s", 8, []Query{
			{`histogram_quantile(0.5, sum by (peer, le) (rate(viaduct_connection_handshake_seconds_bucket{` + of + `}[$__rate_interval])))`, "{{peer}} median"},
			{`histogram_quantile(0.99, sum by (peer, le) (rate(viaduct_connection_handshake_seconds_bucket{` + of + `}[$__rate_interval])))`, "{{peer}} 99 %"}}},
		{"Lifetime", "Of connections that have ended.", lines, "s", 8,
			[]Query{{`histogram_quantile(0.5, sum by (peer, le) (rate(viaduct_connection_lifetime_seconds_bucket{` + of + `}[$__rate_interval])))`, "{{peer}} median"}}},
		{"Silence before a close by the peer", "A bright band is the peer's idle timeout.", heatmap, "s", 12,
			[]Query{{`sum by (le) (increase(viaduct_connection_idle_at_close_seconds_bucket{by="remote",` + of + `}[$__rate_interval]))`, "{{le}}"}}},
		{"Silence before a close by this host", "A bright band is a program's idle timeout.", heatmap, "s", 12,
			[]Query{{`sum by (le) (increase(viaduct_connection_idle_at_close_seconds_bucket{by="local",` + of + `}[$__rate_interval]))`, "{{le}}"}}},
	}},
	{"Agreements and keep-alives", []Panel{
		{"In force", "Open connections on which a mechanism is in force.", lines, "short", 8,
			[]Query{{`sum by (mechanism) (viaduct_negotiated_connections{` + of + `})`, "{{mechanism}}"}}},
		{"Negotiations", "Outcomes per second.", lines, "cps", 8,
			[]Query{{`sum by (mechanism, outcome) (rate(viaduct_negotiations_total{` + of + `}[$__rate_interval])) > 0`, "{{mechanism}}: {{outcome}}"}}},
		{"Keep-alives", "Per second, by kind and who sent them.", lines, "cps", 8,
			[]Query{{`sum by (kind, direction, origin) (rate(viaduct_keepalives_total{` + of + `}[$__rate_interval])) > 0`, "{{kind}} {{direction}} by {{origin}}"}}},
		{"Unanswered", "Per second.", lines, "cps", 8,
			[]Query{{`sum by (peer, kind) (rate(viaduct_keepalive_unanswered_total{` + of + `}[$__rate_interval]))`, "{{peer}}: {{kind}}"}}},
		{"Round trip", "From a keep-alive to its answer.", lines, "s", 8,
			[]Query{{`histogram_quantile(0.9, sum by (peer, le) (rate(viaduct_keepalive_round_trip_seconds_bucket{` + of + `}[$__rate_interval])))`, "{{peer}} 90 %"}}},
		{"Kept or late", "Share of keep-alives that came within 1.1 times what was agreed.", lines, "percentunit", 8,
			[]Query{{`sum by (peer, direction) (rate(viaduct_keepalive_interval_ratio_bucket{le="1.1",` + of + `}[$__rate_interval])) / sum by (peer, direction) (rate(viaduct_keepalive_interval_ratio_count{` + of + `}[$__rate_interval]))`, "{{peer}} {{direction}}"}}},
	}},
	{"Messages and findings", []Panel{
		{"Requests", "Per second, retransmissions too.", lines, "reqps", 12,
			[]Query{{`sum by (method, direction) (rate(viaduct_messages_total{type="request",` + target + `}[$__rate_interval])) > 0`, "{{method}} {{direction}}"}}},
		{"Broken rules", "In the time shown; what each means: viaduct rules ID.", table, "short", 12,
			[]Query{{`sum by (rule, severity, party, peer) (increase(viaduct_findings_total{` + of + `}[$__range])) > 0`, ""}}},
	}},
	{"Policy", []Panel{
		{"Actions", "Per second, by what became of them; a dry run skips all.", lines, "cps", 8,
			[]Query{{`sum by (action, mode, outcome) (rate(viaduct_actions_total{` + of + `}[$__rate_interval]))`, "{{action}} {{mode}}: {{outcome}}"}}},
		{"Limited connects", "Per second; in a dry run they are only counted.", lines, "cps", 8,
			[]Query{{`sum by (peer, direction, mode) (rate(viaduct_limited_connects_total{` + of + `}[$__rate_interval]))`, "{{peer}} {{direction}} {{mode}}"}}},
		{"Age of the policy", "Since the one in force was read.", lines, "s", 8,
			[]Query{{`time() - (viaduct_policy_loaded_timestamp_seconds{` + target + `} > 0)`, "{{instance}}"}}},
	}},
	{"The agents themselves", []Panel{
		{"Lost", "Events per second, by reason.", lines, "cps", 6,
			[]Query{{`sum by (reason) (rate(viaduct_events_lost_total{` + target + `}[$__rate_interval]))`, "{{reason}}"}}},
		{"State", "Entries of the largest tables.", lines, "short", 6,
			[]Query{{`topk(8, sum by (table) (viaduct_state_entries{` + target + `}))`, "{{table}}"}}},
		{"Memory", "Resident.", lines, "bytes", 6,
			[]Query{{`process_resident_memory_bytes{` + target + `} and on (job, instance) viaduct_build_info`, "{{instance}}"}}},
		{"CPU", "Of the agent; what its programs cost in the kernel is not in it.", lines, "percentunit", 6,
			[]Query{{`rate(process_cpu_seconds_total{` + target + `}[$__rate_interval]) and on (job, instance) viaduct_build_info`, "{{instance}}"}}},
		{"Programs attached", "0 means blind.", lines, "short", 6,
			[]Query{{`min by (program) (viaduct_bpf_program_attached{` + target + `})`, "{{program}}"}}},
		{"Scrape", "Time in which no event is read.", lines, "s", 6,
			[]Query{{`max by (instance) (viaduct_snapshot_seconds{` + target + `})`, "{{instance}}"}}},
		{"Features", "How many agents do without.", table, "short", 6,
			[]Query{{`sum by (feature) (1 - viaduct_feature_available{` + target + `})`, ""}}},
		{"Versions", "Agents by version.", table, "short", 6,
			[]Query{{`count by (version) (viaduct_build_info{` + target + `})`, ""}}},
	}},
}

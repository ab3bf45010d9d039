// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"github.com/prometheus/client_golang/prometheus"
)

// family is a metric family: one name with its labels.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType // of a histogram: untyped
}

// families are all that the collector shows; docs/metrics.md says the same,
// which a test proves.
var families []*family

func define(kind prometheus.ValueType, name, help string, labels ...string) *family {
	f := &family{prometheus.NewDesc("viaduct_"+name, help, labels, nil), kind}
	families = append(families, f)
	return f
}

func gauge(name, help string, labels ...string) *family {
	return define(prometheus.GaugeValue, name, help, labels...)
}

func counter(name, help string, labels ...string) *family {
	return define(prometheus.CounterValue, name, help, labels...)
}

func histogram(name, help string, labels ...string) *family {
	return define(prometheus.UntypedValue, name, help, labels...)
}

var (
	connections = gauge("connections",
		"Open connections and UDP flows.", "transport", "class", "initiator", "peer")
	opened = counter("connections_opened_total",
		"Connections and UDP flows whose opening was seen.", "transport", "initiator", "peer")
	closed = counter("connections_closed_total",
		"Connections and UDP flows that have ended, by who ended them and how.", "transport", "peer", "by", "how")
	connectFailures = counter("connect_failures_total",
		"Connects that did not succeed.", "peer", "reason")
	handshake = histogram("connection_handshake_seconds",
		"Time from SYN to the established connection.", "peer")
	lifetime = histogram("connection_lifetime_seconds",
		"Time from the opening to the end of connections and UDP flows.", "peer")
	idleAtClose = histogram("connection_idle_at_close_seconds",
		"Silence in both directions before the first FIN or RST, or the end of a UDP flow.", "peer", "by")
	requestsPerConnection = histogram("requests_per_connection",
		"New requests that a connection or UDP flow had carried at its end, without retransmissions, ACK and CANCEL.", "peer")

	messages = counter("messages_total",
		"SIP messages, with retransmissions; the method of a response is that of its CSeq.", "transport", "direction", "type", "method")

	keepalives = counter("keepalives_total",
		"Keep-alives and their answers.", "kind", "direction", "origin", "peer")
	keepaliveUnanswered = counter("keepalive_unanswered_total",
		"Keep-alives that had no answer in time.", "kind", "peer")
	keepaliveRoundTrip = histogram("keepalive_round_trip_seconds",
		"Time from a keep-alive to its answer.", "peer")

	keepaliveInterval = histogram("keepalive_interval_ratio",
		"Time between two keep-alives of one side, divided by what was agreed; of this host's those of viaduct count too.", "direction", "peer")
	keepaliveLateness = histogram("keepalive_lateness_seconds",
		"Time from when a keep-alive of viaduct's was due until it was sent; of those that the kernel sends by itself it is not known.")
	keepaliveMisplaced = counter("keepalive_misplaced_total",
		"Keep-alives of viaduct's that went into the middle of a message; there should be none.")
	keepaliveWrites = counter("keepalive_writes_total",
		"Writes of keep-alives into sockets of programs, by what became of them.", "result")
	keepaliveWriteSeconds = counter("keepalive_write_seconds_total",
		"Time that these writes took; a socket is locked for no longer.")
	keepaliveSwallowed = counter("keepalive_answers_swallowed_total",
		"STUN answers to viaduct that were kept from the program on whose socket it had asked.")
	keepaliveUnasked = counter("keepalive_unasked_total",
		"STUN requests that were not sent because too many waited for their answers.")

	negotiations = counter("negotiations_total",
		"Connections on which the negotiation of a mechanism came to an outcome, one after the other.", "mechanism", "outcome", "peer")
	negotiated = gauge("negotiated_connections",
		"Open connections on which the mechanism is in force.", "mechanism", "peer")

	findings = counter("findings_total",
		"Broken rules, each cause on a connection or by a peer once.", "rule", "severity", "party", "peer")

	actions = counter("actions_total",
		"Actions that the policy asked for, by what became of them; a dry run skips all.", "action", "mode", "outcome", "peer")

	limitedConnects = counter("limited_connects_total",
		"Connects beyond the limits of the policy: refused, or in a dry run counted.", "peer", "direction", "mode")
	unlimitedConnects = counter("unlimited_connects_total",
		"Connects that the limits were not applied to though they should have been.", "reason")

	exported = counter("exported_total",
		"Records written as JSON lines, SIP messages sent to a HEP collector, and messages to readers of the stream of changes.", "what")
	unexported = counter("export_dropped_total",
		"Records and messages that could not be written or sent in time.", "what")

	events = counter("events_total",
		"Events that reached the core.", "kind")
	eventsLost = counter("events_lost_total",
		"Events that were lost, cut or could not be read.", "reason")
	bytesLost = counter("bytes_lost_total",
		"Payload bytes that were not seen.", "reason")
	missedCloses = counter("missed_closes_total",
		"Ends of connections that only a recount of the open sockets found.")

	tlsBindings = counter("tls_bindings_total",
		"Evidence of which socket a TLS session is on, and what came of it.", "outcome")
	tlsUnbound = counter("tls_unbound_bytes_total",
		"Plaintext bytes of TLS sessions that were dropped, as nothing told which socket they are on.")
	tlsProcesses = gauge("tls_processes",
		"Processes with a TLS SIP socket, by whether the plaintext is read.", "plaintext")

	stateEntries = gauge("state_entries",
		"Entries of each table of state.", "table")
	stateEvictions = counter("state_evictions_total",
		"Entries dropped because their table was full.", "table")
	heldBytes = gauge("held_bytes",
		"Bytes that came out of order and wait for those before them.")

	programAttached = gauge("bpf_program_attached",
		"Whether the BPF program is attached to its hook.", "program")
	programRuns = counter("bpf_program_runs_total",
		"Runs of the BPF program while the kernel counted them.", "program")
	programRunSeconds = counter("bpf_program_run_seconds_total",
		"Time spent in the BPF program while the kernel counted its runs.", "program")

	policyReloads = counter("policy_reloads_total",
		"Readings of the policy file after the first one.", "result")
	policyPeers = gauge("policy_peers",
		"Peers of the policy in force, by whether they have series of their own or are counted as other.", "series")
	policyLoaded = gauge("policy_loaded_timestamp_seconds",
		"When the policy in force was read; 0 if it is the built-in one.")

	featureAvailable = gauge("feature_available",
		"Whether the feature was there in full when the agent started.", "feature")
	snapshotSeconds = gauge("snapshot_seconds",
		"Time that this scrape took to copy the counters.")
)

// value sends one series.
func (f *family) value(ch chan<- prometheus.Metric, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
}

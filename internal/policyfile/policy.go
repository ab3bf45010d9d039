// SPDX-License-Identifier: Apache-2.0

package policyfile

import (
	"net/netip"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/viaduct-project/viaduct/agent/policy"
)

const (
	day        = 24 * time.Hour
	longest    = 366 * day
	maxPeers   = 10_000
	kernelMost = 32767 * time.Second // TCP_KEEPIDLE and TCP_KEEPINTVL
)

// policy reads the whole file.
func (r *reader) policy(n *yaml.Node, p *policy.Policy) {
	version := false
	var peers *yaml.Node
	p.Fallback = policy.Peer{Name: policy.Other, Persistent: policy.Persistent{MaxConnections: -1}}
	r.mapping(n, "policy",
		key{"version", func(v *yaml.Node) {
			version = true
			if resolve(v).Value != "1" {
				r.fault(v, "version: %q is not known; allowed: 1", resolve(v).Value)
			}
		}},
		key{"sip", func(v *yaml.Node) {
			r.mapping(v, "sip", key{"ports", func(v *yaml.Node) { p.Ports = r.ports(v, "sip: ports") }})
		}},
		key{"defaults", func(v *yaml.Node) { r.places[policy.Other] = v; r.row(v, "defaults", &p.Fallback, nil) }},
		key{"peers", func(v *yaml.Node) { peers = v }},
	)
	if !version && resolve(n).Kind == yaml.MappingNode {
		r.fault(n, "policy: no version: write `version: 1`")
	}
	if peers == nil {
		return
	}
	var places []*yaml.Node
	// Of a row that was not understood nobody knows what it matches.
	var sound []policy.Peer
	var soundPlaces []*yaml.Node
	r.each(peers, "peers", func(v *yaml.Node) {
		peer := p.Fallback // a row says only what is different
		peer.Name = ""
		if r.peer(v, &peer) {
			sound, soundPlaces = append(sound, peer), append(soundPlaces, v)
		}
		p.Peers = append(p.Peers, peer)
		places = append(places, v)
		r.places[peer.Name] = v
	})
	if len(p.Peers) > maxPeers {
		r.fault(peers, "peers: %d rows; at most %d are allowed", len(p.Peers), maxPeers)
		return
	}
	r.names(p.Peers, places)
	r.overlaps(sound, soundPlaces)
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?$`)

// peer reads a row, and says whether it is known what the row matches.
func (r *reader) peer(n *yaml.Node, p *policy.Peer) (sound bool) {
	matched := false
	r.row(n, "peer", p, []key{
		{"name", func(v *yaml.Node) {
			p.Name = r.text(v, "name")
			switch {
			case p.Name == policy.Other:
				r.fault(v, "name: %q is what matches no row", p.Name)
			case p.Name != "" && !nameForm.MatchString(p.Name):
				r.fault(v, "name: %q: write small letters, digits, '-', '_' and '.', at most 63", p.Name)
			}
		}},
		{"match", func(v *yaml.Node) {
			before := len(r.problems)
			r.match(v, &p.Match)
			matched, sound = true, len(r.problems) == before
		}},
	})
	if p.Name == "" {
		r.fault(n, "peer: no name")
	}
	if !matched {
		r.fault(n, "peer %s: no match: write `match: {}` for a row that is meant to match everything", p.Name)
	}
	return sound
}

// row reads what defaults and peers have in common.
func (r *reader) row(n *yaml.Node, what string, p *policy.Peer, more []key) {
	r.mapping(n, what, append(more,
		key{"class", func(v *yaml.Node) { p.Class = policy.Class(r.word(v, "class", policy.ClassNames)) }},
		key{"enforce", func(v *yaml.Node) { p.Enforce = policy.Mode(r.word(v, "enforce", policy.ModeNames)) }},
		key{"ephemeral", func(v *yaml.Node) { r.ephemeral(v, &p.Ephemeral) }},
		key{"persistent", func(v *yaml.Node) { r.persistent(v, &p.Persistent) }},
		key{"keepalive", func(v *yaml.Node) { r.keepalive(v, &p.Keepalive) }},
		key{"limits", func(v *yaml.Node) { r.limits(v, &p.Limits) }},
	)...)
}

func (r *reader) match(n *yaml.Node, m *policy.Match) {
	r.mapping(n, "match",
		key{"cidrs", func(v *yaml.Node) { m.CIDRs = r.cidrs(v) }},
		key{"ports", func(v *yaml.Node) { m.Ports = r.ports(v, "ports") }},
		key{"transports", func(v *yaml.Node) {
			r.each(v, "transports", func(e *yaml.Node) {
				m.Transports = append(m.Transports, policy.Transports[r.word(e, "transports", policy.Transports)])
			})
		}},
		key{"initiator", func(v *yaml.Node) { m.Initiator = policy.Initiators[r.word(v, "initiator", policy.Initiators)] }},
		key{"process", func(v *yaml.Node) { m.Process = r.patterns(v, "process") }},
		key{"pod", func(v *yaml.Node) { m.Pod = r.patterns(v, "pod") }},
		key{"container", func(v *yaml.Node) { m.Container = r.patterns(v, "container") }},
		key{"sent_by", func(v *yaml.Node) { m.SentBy = r.patterns(v, "sent_by") }},
	)
}

func (r *reader) cidrs(n *yaml.Node) []netip.Prefix {
	var all []netip.Prefix
	r.each(n, "cidrs", func(e *yaml.Node) {
		if p, ok := r.cidr(e, "cidrs"); ok {
			all = append(all, p)
		}
	})
	return all
}

func (r *reader) ports(n *yaml.Node, what string) []uint16 {
	var all []uint16
	r.each(n, what, func(e *yaml.Node) { all = append(all, uint16(r.number(e, what, 1, 65535))) })
	return all
}

func (r *reader) ephemeral(n *yaml.Node, e *policy.Ephemeral) {
	r.mapping(n, "ephemeral",
		key{"idle_timeout", func(v *yaml.Node) {
			e.IdleTimeout = r.duration(v, "idle_timeout", longest)
			if e.IdleTimeout > time.Second && e.IdleTimeout < 32*time.Second {
				r.fault(v, "idle_timeout: %s is less than 32s, for which RFC 3261 section 18 asks to keep a connection after its last message", resolve(v).Value)
			}
		}},
		key{"close", func(v *yaml.Node) { e.Close = policy.Closing(r.word(v, "close", policy.ClosingNames)) }},
	)
}

func (r *reader) persistent(n *yaml.Node, p *policy.Persistent) {
	r.mapping(n, "persistent",
		key{"max_connections", func(v *yaml.Node) { p.MaxConnections = r.number(v, "max_connections", 0, 1_000_000) }},
		key{"min_timeout", func(v *yaml.Node) { p.MinTimeout = r.duration(v, "min_timeout", longest) }},
		key{"max_timeout", func(v *yaml.Node) { p.MaxTimeout = r.duration(v, "max_timeout", longest) }},
		key{"tcp_keepalive", func(v *yaml.Node) {
			p.TCPKeepalive = policy.TCPKeepalive{Interval: 10 * time.Second, Probes: 6}
			r.tcpKeepalive(v, &p.TCPKeepalive)
		}},
		key{"user_timeout", func(v *yaml.Node) { p.UserTimeout = r.duration(v, "user_timeout", day) }},
	)
	if p.MinTimeout > 0 && p.MaxTimeout > 0 && p.MinTimeout > p.MaxTimeout {
		r.fault(n, "persistent: min_timeout %s is more than max_timeout %s", p.MinTimeout, p.MaxTimeout)
	}
}

func (r *reader) tcpKeepalive(n *yaml.Node, k *policy.TCPKeepalive) {
	r.mapping(n, "tcp_keepalive",
		key{"idle", func(v *yaml.Node) { k.Idle = r.duration(v, "idle", kernelMost) }},
		key{"interval", func(v *yaml.Node) { k.Interval = r.duration(v, "interval", kernelMost) }},
		key{"probes", func(v *yaml.Node) { k.Probes = r.number(v, "probes", 1, 127) }},
	)
	if k.Idle == 0 {
		r.fault(n, "tcp_keepalive: no idle: write idle: 60s")
	}
}

func (r *reader) keepalive(n *yaml.Node, k *policy.Keepalive) {
	r.mapping(n, "keepalive",
		key{"inject", func(v *yaml.Node) { k.Inject = policy.Inject(r.word(v, "inject", policy.InjectNames)) }},
		key{"method", func(v *yaml.Node) { k.Method = policy.Method(r.word(v, "method", policy.MethodNames)) }},
		key{"interval", func(v *yaml.Node) { k.Interval = r.duration(v, "interval", day) }},
		key{"on_failure", func(v *yaml.Node) { k.CloseOnFailure = r.word(v, "on_failure", []string{"report", "close"}) == 1 }},
		key{"swallow_stun_answers", func(v *yaml.Node) { k.SwallowStunAnswers = r.boolean(v, "swallow_stun_answers") }},
	)
}

func (r *reader) limits(n *yaml.Node, l *policy.Limits) {
	l.In = l.In || !l.Out // incoming, if neither the row nor the defaults say
	r.mapping(n, "limits",
		key{"connects_per_second", func(v *yaml.Node) { l.ConnectsPerSecond = r.rate(v, "connects_per_second") }},
		key{"burst", func(v *yaml.Node) { l.Burst = r.number(v, "burst", 1, 1_000_000) }},
		key{"max_connections", func(v *yaml.Node) { l.MaxConnections = r.number(v, "max_connections", 1, 1_000_000) }},
		key{"direction", func(v *yaml.Node) {
			d := r.word(v, "direction", []string{"in", "out", "both"})
			l.In, l.Out = d != 1, d != 0
		}},
	)
	if l.Burst > 0 && l.ConnectsPerSecond == 0 {
		r.fault(n, "limits: burst without connects_per_second")
	}
}

// SPDX-License-Identifier: Apache-2.0

package peer

import "time"

// Churn is the cost of connections that one persistent connection between the
// same two servers, in the same direction, would have spared.
type Churn struct {
	Handshakes uint64
	Spent      time.Duration // in them
}

// servers is how many of its servers, told by port, a peer is watched for.
const servers = 64

// server is one at the peer, and who connects to whom.
type server struct {
	port     uint16
	outbound bool
}

// Carried notes that a connection has begun to carry requests: to the port
// that the peer serves at, or from the server that has it in its sent-by. One
// that is older than the observation has no handshake to spare.
func (p *Peer) Carried(port uint16, outbound bool, seen bool, handshake time.Duration) {
	s := server{port, outbound}
	if _, known := p.served[s]; known {
		if seen {
			p.Churn.Handshakes++
			p.Churn.Spent += handshake
		}
		return
	}
	if len(p.served) >= servers {
		return
	}
	if p.served == nil {
		p.served = make(map[server]struct{}, 1)
	}
	p.served[s] = struct{}{}
}

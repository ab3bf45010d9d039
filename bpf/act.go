// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Holding tells the programs of which socket this process holds a duplicate from
// now on (0: of none): what is done with that socket does not make this process
// its owner.
func (p *Probes) Holding(socket uint64) error {
	if err := p.objects.HeldSocket.Set(socket); err != nil {
		return fmt.Errorf("mark socket %d as held: %w", socket, err)
	}
	return nil
}

// Ending tells the programs which socket this process ends from now on (0:
// none): [event.Event.ByAgent] of its end will be set.
func (p *Probes) Ending(socket uint64) error {
	if err := p.objects.EndedSocket.Set(socket); err != nil {
		return fmt.Errorf("mark socket %d as being ended: %w", socket, err)
	}
	return nil
}

// Lanes is how many keep-alives can be sent side by side.
const Lanes = 4

// writing are the sockets on which keep-alives are sent at this moment, by lanes.
type writing struct {
	mu      sync.Mutex
	sockets [Lanes]uint64
}

// Writing is Holding for the socket that a keep-alive is sent on by a lane, below
// [Lanes].
func (p *Probes) Writing(lane int, socket uint64) error {
	p.writing.mu.Lock()
	defer p.writing.mu.Unlock()
	p.writing.sockets[lane] = socket
	if err := p.objects.WrittenSockets.Set(&p.writing.sockets); err != nil {
		return fmt.Errorf("mark socket %d as written to: %w", socket, err)
	}
	return nil
}

// OwnBytes is the descriptor of the table, by sockets, of the range of bytes that
// this process writes into their streams: sequence number and length, 32 bits each.
// It stays p's. [event.Event.Own] will be set for these bytes.
func (p *Probes) OwnBytes() int { return p.objects.OwnBytes.FD() }

// answerWait is how long an answer may take, and be repeated: as long as the
// longest pause between two requests of a transaction (RFC 8489 section 6.2.1: 16
// s), so that the next request carries on.
const answerWait = 16 * time.Second

// ErrFull: no more answers can be awaited at the moment.
var ErrFull = errors.New("too many STUN requests are under way")

// Asking tells the programs of a STUN request that this process is about to send
// on a socket, from the port of local to remote: [event.Event.Own] will be set for it
// and for its answers, and with swallow the answers are kept from the program whose
// socket it is. An answer that another socket with the same port gets is told of as
// this one's. Calls for the same transaction renew the time.
func (p *Probes) Asking(transaction [12]byte, socket uint64, local, remote netip.AddrPort, swallow bool) error {
	p.asked.mu.Lock()
	defer p.asked.mu.Unlock()
	now := bootNow()
	p.asked.expire(now, func(id [12]byte) {
		// It may be gone with the table; it was put there by this process.
		_ = p.objects.OwnAnswers.Delete(&id)
	})
	value := programsOwnAnswer{
		ExpiresNs: uint64(now + answerWait), Cookie: socket, Remote: remote.Addr().As16(), RemotePort: remote.Port(), LocalPort: local.Port(),
	}
	if swallow {
		value.Swallow = 1
	}
	err := p.objects.OwnAnswers.Put(&transaction, &value)
	if errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOMEM) {
		p.asked.full++
		return fmt.Errorf("await an answer from %s: %w", remote, ErrFull)
	}
	if err != nil {
		return fmt.Errorf("await an answer from %s: %w", remote, err)
	}
	p.asked.add(transaction, now+answerWait)
	return nil
}

// NotAsked is how many calls of Asking found no room.
func (p *Probes) NotAsked() uint64 {
	p.asked.mu.Lock()
	defer p.asked.mu.Unlock()
	return p.asked.full
}

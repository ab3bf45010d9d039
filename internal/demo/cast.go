// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// How much of everything there is in a play.
const (
	keepPings = 4

	hastyConnections = 12
	hastyEvery       = 75 * time.Millisecond

	swampAfter       = time.Second // so that it does not stand between the others in a report
	swampConnections = 200
	swampEvery       = 20 * time.Millisecond
	swampIdle        = 2 * time.Second

	backwardRounds = 4
	backwardEvery  = 1500 * time.Millisecond

	resetConnections = 3
	resetEvery       = 2 * time.Second
)

// cast are the peers, a good one first.
var cast = []struct {
	name, does, look string
	script           func(context.Context, *actor) error
}{{
	"phone",
	fmt.Sprintf("registers with outbound and keep, is told keep=%d, pings in time", keepSeconds),
	fmt.Sprintf("persistent; keep=%d and outbound agreed; %d pings; still open", keepSeconds, keepPings),
	keepsAlive,
}, {
	"gateway",
	"closes the connection after each transaction",
	fmt.Sprintf("%d connections of one request each, ended by fin from remote", hastyConnections),
	closesAfterEach,
}, {
	"alarm",
	"swamps the server: a new connection for each request, then silence",
	fmt.Sprintf("%d connections in %v, none reused; its idle limit of %v, inferred",
		swampConnections, swampConnections*swampEvery, swampIdle),
	swamps,
}, {
	"partner",
	"sends requests back on the server's connection, without alias",
	fmt.Sprintf("opened by local, requests both ways (%d/%d): bidirectional, unagreed", backwardRounds, backwardRounds),
	turnsBack,
}, {
	"trunk",
	"resets the connection while its INVITE waits for an answer",
	fmt.Sprintf("%d connections ended by rst from remote with 1 request pending", resetConnections),
	resetsPending,
}}

// keepsAlive is a phone that does as RFC 5626 and RFC 6223 say, and leaves its
// connection open.
func keepsAlive(ctx context.Context, a *actor) error {
	server := a.play.server
	c, err := a.dial(ctx, server)
	if err != nil {
		return err
	}
	if err := c.transact(ctx, request{method: "REGISTER", from: a, to: server, via: ";keep", headers: a.outbound()}); err != nil {
		return err
	}
	last := time.Now()
	for _, d := range keepIntervals() {
		if err := wait(ctx, time.Until(last.Add(d))); err != nil {
			return err
		}
		last = time.Now()
		if err := c.ping(ctx); err != nil {
			return err
		}
	}
	// The connection has been kept, and the next request uses it.
	return c.transact(ctx, request{method: "MESSAGE", from: a, to: server, headers: []string{"Supported: outbound"}, body: text})
}

// outbound is what makes a REGISTER one of RFC 5626 section 4.2.
func (a *actor) outbound() []string {
	return []string{
		"Supported: outbound, path",
		fmt.Sprintf(`Contact: <%s>;reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>";expires=3600`, a.uri()),
	}
}

// keepIntervals are at random from 80 to 100 % of what was agreed (RFC 5626
// section 4.4), in the first half of that range since a busy host wakes us late.
func keepIntervals() []time.Duration {
	const from, to = 0.80, 0.90
	random := rand.New(rand.NewPCG(5626, 6223))
	var all []time.Duration
	for range keepPings {
		share := from + (to-from)*random.Float64()
		all = append(all, time.Duration(share*keepSeconds*float64(time.Second)))
	}
	return all
}

func closesAfterEach(ctx context.Context, a *actor) error {
	return paced(ctx, hastyConnections, hastyEvery, func() error {
		c, err := a.once(ctx)
		if err != nil {
			return err
		}
		return c.close()
	})
}

// swamps opens faster than its own idle timer closes.
func swamps(ctx context.Context, a *actor) error {
	if err := wait(ctx, swampAfter); err != nil {
		return err
	}
	type idle struct {
		c     *conn
		until time.Time
	}
	standing := make(chan idle, swampConnections)
	var closing error
	var closer sync.WaitGroup
	closer.Go(func() {
		for s := range standing {
			if closing == nil {
				closing = wait(ctx, time.Until(s.until))
			}
			if closing == nil {
				closing = s.c.close()
			}
		}
	})
	opening := paced(ctx, swampConnections, swampEvery, func() error {
		c, err := a.once(ctx)
		if err == nil {
			standing <- idle{c, time.Now().Add(swampIdle)}
		}
		return err
	})
	close(standing)
	closer.Wait()
	return errors.Join(opening, closing)
}

// once opens a connection for one request.
func (a *actor) once(ctx context.Context) (*conn, error) {
	c, err := a.dial(ctx, a.play.server)
	if err != nil {
		return nil, err
	}
	return c, c.transact(ctx, request{method: "MESSAGE", from: a, to: a.play.server, body: text})
}

// turnsBack is asked by the server over the server's connection, and uses that
// for requests of its own. Nobody closes it.
func turnsBack(ctx context.Context, a *actor) error {
	server := a.play.server
	theirs, err := server.dial(ctx, a)
	if err != nil {
		return err
	}
	mine, err := a.accept(theirs)
	if err != nil {
		return err
	}
	return paced(ctx, backwardRounds, backwardEvery, func() error {
		if err := exchange(ctx, theirs, mine, request{method: "OPTIONS", from: server, to: a, headers: []string{"Accept: application/sdp"}}); err != nil {
			return err
		}
		return exchange(ctx, mine, theirs, request{method: "MESSAGE", from: a, to: server, body: text})
	})
}

// exchange plays both ends of a transaction.
func exchange(ctx context.Context, from, to *conn, r request) error {
	if err := from.send(r.String()); err != nil {
		return err
	}
	m, err := to.await(ctx, r.method+" ")
	if err != nil {
		return err
	}
	if err := to.send(to.actor.answer(m)); err != nil {
		return err
	}
	_, err = from.await(ctx, "SIP/2.0 200 ")
	return err
}

// resetsPending does not wait for the final response.
func resetsPending(ctx context.Context, a *actor) error {
	server := a.play.server
	return paced(ctx, resetConnections, resetEvery, func() error {
		c, err := a.dial(ctx, server)
		if err != nil {
			return err
		}
		invite := request{method: "INVITE", from: a, to: server, headers: []string{"Contact: <" + a.uri() + ">"}, body: offer(a)}
		if err := c.send(invite.String()); err != nil {
			return err
		}
		if _, err := c.await(ctx, "SIP/2.0 180 "); err != nil {
			return err
		}
		return c.reset()
	})
}

// paced does do n times, at the given pace.
func paced(ctx context.Context, n int, every time.Duration, do func() error) error {
	next := time.Now()
	for range n {
		if err := wait(ctx, time.Until(next)); err != nil {
			return err
		}
		next = next.Add(every)
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package model

import (
	"strings"
	"time"

	"github.com/viaduct-project/viaduct/internal/event"
)

type eventTime = event.Time

// live lets p do something now and then, for ever.
func (w *World) live(p *party) {
	if p.side == event.Remote && w.chance(60) || p.side == event.Local && w.chance(20) {
		w.after(w.between(0, 5*time.Second), p.register)
	}
	var act func()
	act = func() {
		pause := 40 * time.Second
		if w.cfg.Idle {
			pause = 10 * time.Minute
		}
		w.after(w.between(100*time.Millisecond, pause), act)
		switch n := w.rng.IntN(100); {
		case n < 60:
			p.invite()
		case n < 75:
			options := p.ask(p.newCall(), "OPTIONS")
			if w.commits("KEEP-03") {
				options.param("keep")
			}
			if w.commits("TP-19") {
				options.via = strings.Replace(options.via, "z9hG4bK", "", 1)
			}
			options.simple(200, nil)
		case n < 85:
			p.ask(p.newCall(), "MESSAGE").simple([]int{200, 202, 404}[w.rng.IntN(3)], nil)
		default:
			p.subscribe()
		}
	}
	w.after(w.between(0, 10*time.Second), act)
}

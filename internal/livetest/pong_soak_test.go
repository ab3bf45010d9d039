// SPDX-License-Identifier: Apache-2.0

//go:build soak

package livetest

import (
	"flag"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

var soak = flag.Duration("soak", 10*time.Minute, "how long")

// slowly are programs that take their time to be harmed.
var slowly = []suffers{
	{"SIPp, offers keep", true, true, 2, "INVITE", "sipp-phone", func(t *testing.T, l *link, p *counterpart) {
		l.sippNamed(t, "sipp-phone", testutil.SIPpPhone("alice"),
			"-p", "5070", "-sf", "register.xml", "-oocsf", "ring.xml", "-m", "1", p.listen(l.b, 5060))
	}},
	{"waits behind a pong", false, false, 20, "OPTIONS", "phone-waits", phone("phone-waits", waitsFor)},
	{"waits behind a pong, offers keep", true, false, 40, "OPTIONS", "keep-waits", phone("keep-waits", waitsFor)},
	{"loses what comes behind a pong", false, false, 2, "OPTIONS", "phone-loses", phone("phone-loses", losesNext)},
	{"loses what comes behind a pong, offers keep", true, true, 2, "OPTIONS", "keep-loses", phone("keep-loses", losesNext)},
}

// TestPongsSoak is TestPongs with more programs, for ten minutes.
func TestPongsSoak(t *testing.T) { testPongs(t, append(inSeconds, slowly...), *soak) }

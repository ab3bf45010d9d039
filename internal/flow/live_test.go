// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// onLoopback gives a flow addresses that no other process plays with: of the
// 127/8 that the loopback interface has, two that the process id chooses.
func onLoopback(text string) string {
	n := os.Getpid()
	near := fmt.Sprintf("127.%d.%d.", 1+n>>14&0x7f, n>>7&0x7f)
	return strings.NewReplacer("NEAR", near+fmt.Sprint(1+n&0x7f), "FAR", near+fmt.Sprint(129+n&0x7f)).Replace(text)
}

// TestLive plays each kind of thing; every end checks what comes in.
func TestLive(t *testing.T) {
	for _, text := range []string{
		"tcp a in local=NEAR remote=FAR\na< INVITE\na> 200 split=3\na< ACK\n+50ms\na> close",
		"tcp a out local=NEAR remote=FAR\na> OPTIONS\na< 200\na< fin\na> ping\na> fin",
		"tcp a out local=NEAR remote=FAR\na> OPTIONS\na< rst\ntcp a out refused local=NEAR remote=FAR\ntcp a out local=NEAR remote=FAR\na> rst",
		"tcp a in local=NEAR remote=FAR\na< fin\na> rst",
		"tcp a in local=NEAR:5060 remote=FAR:4000\na> close\ntcp a in local=NEAR:5060 remote=FAR:4000\na< ping",
		"udp u local=NEAR remote=FAR\nu> MESSAGE size=4000\nu< 200\nudp v local=NEAR remote=FAR:4000\nv< stun request\nv> stun success",
	} {
		s := parse(t, onLoopback(text))
		began := time.Now()
		stage, err := Live(t.Context(), s, Sockets{}, Sockets{})
		if err != nil {
			t.Errorf("%s\n%v", text, err)
			continue
		}
		if took := time.Since(began); took < s.Duration() {
			t.Errorf("%s: took %s, lasts %s", text, took, s.Duration())
		}
		if err := stage.Close(); err != nil {
			t.Error(err)
		}
	}
}

var errElsewhere = errors.New("no such place")

func TestLiveFails(t *testing.T) {
	nowhere := Sockets{Enter: func(func() error) error { return errElsewhere }}
	for _, text := range []string{"tcp a in local=NEAR remote=FAR", "tcp a out local=NEAR remote=FAR", "udp u local=NEAR remote=FAR", "tcp a out refused local=NEAR remote=FAR"} {
		if _, err := Live(t.Context(), parse(t, onLoopback(text)), nowhere, nowhere); !errors.Is(err, errElsewhere) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Live(t.Context(), parse(t, "tls t in"), Sockets{}, Sockets{}); !errors.Is(err, errNoLive) {
		t.Errorf("TLS: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Live(ctx, parse(t, "+1h"), Sockets{}, Sockets{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	local, remote := parse(t, "tcp a in\ntcp b out remote=203.0.113.9\nudp u").Addresses()
	if got := fmt.Sprint(local, remote); got != "[192.0.2.1] [198.51.100.7 203.0.113.9]" {
		t.Error(got)
	}
}

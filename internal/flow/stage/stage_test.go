// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/internal/flow"
)

// onLoopback gives a flow addresses that no other process plays with: of the
// 127/8 that the loopback interface has, two that the process id chooses.
func onLoopback(text string) string {
	n := os.Getpid()
	near := fmt.Sprintf("127.%d.%d.", 1+n>>14&0x7f, n>>7&0x7f)
	return strings.NewReplacer("NEAR", near+fmt.Sprint(1+n&0x7f), "FAR", near+fmt.Sprint(129+n&0x7f)).Replace(text)
}

func parse(t *testing.T, text string) *flow.Section {
	t.Helper()
	f, err := flow.ParseFile("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &f.Sections[0]
}

// TestPlay plays each kind of thing; every end checks what comes in.
func TestPlay(t *testing.T) {
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
		stage, err := Play(t.Context(), s, Sockets{}, Sockets{})
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

func TestPlayFails(t *testing.T) {
	nowhere := Sockets{Enter: func(func() error) error { return errElsewhere }}
	for _, text := range []string{"tcp a in local=NEAR remote=FAR", "tcp a out local=NEAR remote=FAR", "udp u local=NEAR remote=FAR", "tcp a out refused local=NEAR remote=FAR"} {
		if _, err := Play(t.Context(), parse(t, onLoopback(text)), nowhere, nowhere); !errors.Is(err, errElsewhere) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Play(t.Context(), parse(t, "tls t in"), Sockets{}, Sockets{}); !errors.Is(err, errNoLive) {
		t.Errorf("TLS: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Play(ctx, parse(t, "+1h"), Sockets{}, Sockets{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

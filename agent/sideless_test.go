// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestSideless: where it is not known which end is this host's, no word of the
// report claims it, and addresses take the place of sides.
func TestSideless(t *testing.T) {
	talk := func(sideless bool) string {
		s := script.New()
		c := s.TCP(event.Local, "192.0.2.1:40000", there)
		c.Sideless = sideless
		c.Open()
		answer(c, event.Out, script.Msg{Method: "REGISTER", Params: ";keep;alias", More: "Supported: persistence\r\n"}, 200, ";keep=30;alias", "")
		exchange(c, event.In, script.Msg{Method: "OPTIONS", Branch: "back"})
		c.FIN(event.In)
		c.Close(event.Remote, event.FIN)
		_, r := play(t, s)
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	known, unknown := talk(false), talk(true)
	for _, tt := range []struct{ known, unknown string }{
		{`"initiator": "local"`, `"initiator": "unknown"`},
		{`"by": "remote"`, `"by": "unknown"`},
		{`"direction": "local-sends"`, `"direction": "unknown"`},
		{`"offered_by": "local"`, `"offered_by": "unknown"`},
		{`requests sent by both sides (local 1, remote 1)`, `requests sent by both sides (192.0.2.1:40000 1, ` + there + ` 1)`},
	} {
		if !strings.Contains(known, tt.known) {
			t.Errorf("with sides there is no %s in\n%s", tt.known, known)
		}
		if strings.Contains(unknown, tt.known) || !strings.Contains(unknown, tt.unknown) {
			t.Errorf("without sides %s is not %s in\n%s", tt.known, tt.unknown, unknown)
		}
	}
}

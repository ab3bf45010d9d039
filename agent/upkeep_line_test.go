// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/internal/script"
	"github.com/viaduct-project/viaduct/agent/policy"
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/report/text"
	"github.com/viaduct-project/viaduct/internal/event"
)

// TestUpkeepShown: by each of the methods the report says, in JSON and in words,
// what was promised, what was kept, by whom, whether it is answered, and how
// fast.
func TestUpkeepShown(t *testing.T) {
	pong := func(r *rig) { r.pong = r.pongs(100 * time.Millisecond) }
	for name, tt := range map[string]struct {
		keep policy.Keepalive
		peer func(*rig) // what it does with a keep-alive; nil: nothing
		play func(*rig) // the registration, of which keep-alives every 25 seconds are part
		json string     // numbers below are written as N
		row  string
	}{
		"tcp": {
			keep: policy.Keepalive{Inject: policy.InjectAgreed, Method: policy.MethodTCP},
			json: `{"promised_seconds":25,"basis":"keep","mean_seconds":null,"longest_seconds":null,"kernel_seconds":N,"by":"nobody","answered":null,"round_trip_seconds":null,"method":"tcp","state":"fine","probes_unanswered":0}`,
			row:  `(?m)^>198\.51\.100\.7:5060 +by the kernel +25s keep +2[0-5]s +2[0-5]s +- +- +tcp: the policy says so$`,
		},
		"crlf": {
			keep: policy.Keepalive{Inject: policy.InjectAgreed}, peer: pong,
			json: `{"promised_seconds":25,"basis":"keep","mean_seconds":N,"longest_seconds":N,"kernel_seconds":null,"by":"viaduct","answered":"yes","round_trip_seconds":0.1,"method":"crlf","state":"fine","probes_unanswered":null}`,
			row:  `(?m)^>198\.51\.100\.7:5060 +by viaduct +25s keep +2[0-5]s +2[0-5]s +yes +100\.0ms +crlf: the program offered keep`,
		},
		"crlf, not answered": {
			keep: policy.Keepalive{Inject: policy.InjectAgreed},
			json: `{"promised_seconds":25,"basis":"keep","mean_seconds":N,"longest_seconds":N,"kernel_seconds":null,"by":"viaduct","answered":"no","round_trip_seconds":null,"method":"crlf","state":"fine","probes_unanswered":null}`,
			row:  `(?m)^>198\.51\.100\.7:5060 +by viaduct +25s keep +2[0-5]s +2[0-5]s +no +- +crlf: the program offered keep`,
		},
		"both": {
			keep: policy.Keepalive{Inject: policy.InjectAgreed}, peer: pong,
			play: func(r *rig) {
				r.after(time.Second, func() {
					conn := r.conns[1]
					conn.Out("\r\n\r\n")
					conn.In("\r\n")
				})
			},
			json: `{"promised_seconds":25,"basis":"keep","mean_seconds":N,"longest_seconds":N,"kernel_seconds":null,"by":"both","answered":"yes","round_trip_seconds":0.1,"method":"crlf","state":"fine","probes_unanswered":null}`,
			row:  `(?m)^>198\.51\.100\.7:5060 +by both +25s keep +2[0-5]s +2[0-5]s +yes +100\.0ms +crlf: the program offered keep`,
		},
		"stun": {
			keep: policy.Keepalive{Inject: policy.InjectAgreed},
			peer: func(r *rig) {
				r.stun = func(conn *script.Conn, id [12]byte) {
					r.after(200*time.Millisecond, func() {
						conn.In(bindingOf(0x0101, id, 40000))
						r.s.Last().Own = true
					})
				}
			},
			json: `{"promised_seconds":25,"basis":"keep","mean_seconds":N,"longest_seconds":N,"kernel_seconds":null,"by":"viaduct","answered":"yes","round_trip_seconds":0.2,"method":"stun","state":"fine","probes_unanswered":null}`,
			row:  `(?m)198\.51\.100\.7:5060 +by viaduct +25s keep +2[0-5]s +2[0-5]s +yes +200\.0ms +stun: on UDP`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r *rig
			if name == "stun" {
				r, _ = udpRig(t, tt.keep)
			} else {
				r = newRig(t, keeping(tt.keep, policy.Enforce))
				conn := r.tcp(event.Local, "192.0.2.1:40000", there)
				r.conns[1] = conn
				answer(conn, event.Out, keepRegister, 200, ";keep=25", "Expires: 3600\r\n")
			}
			if tt.peer != nil {
				tt.peer(r)
			}
			if tt.play != nil {
				tt.play(r)
			}
			r.run(10 * time.Minute)
			rep := r.report()
			up := rep.Connections[0].Upkeep
			for _, seconds := range []*float64{up.MeanSeconds, up.LongestSeconds, up.KernelSeconds} {
				if seconds != nil && (*seconds < 20 || *seconds > 25.6) {
					t.Errorf("kept every %v s", *seconds)
				}
			}
			if got := shown(t, up); got != tt.json {
				t.Errorf("got  %s\nwant %s", got, tt.json)
			}
			var b bytes.Buffer
			if err := text.Write(&b, rep, 200); err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(tt.row).MatchString(b.String()) {
				t.Errorf("no line is like %s:\n%s", tt.row, &b)
			}
		})
	}
}

var cadence = regexp.MustCompile(`("(?:mean|longest|kernel)_seconds":)[0-9.]+`)

// shown is what the test looks at, with N for the cadence, and the round trip
// to a tenth of a second.
func shown(t *testing.T, up *report.Upkeep) string {
	t.Helper()
	short := *up
	if short.RoundTripSeconds != nil {
		short.RoundTripSeconds = report.Ref(float64(int(*short.RoundTripSeconds*10+0.5)) / 10)
	}
	b, err := json.Marshal(short)
	if err != nil {
		t.Fatal(err)
	}
	b = cadence.ReplaceAll(b, []byte("${1}N"))
	return string(regexp.MustCompile(`"(because|cannot|mapped_address)":(null|"[^"]*"),?|,"mapped_address":(null|"[^"]*")`).ReplaceAll(b, nil))
}

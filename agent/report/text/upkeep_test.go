// SPDX-License-Identifier: Apache-2.0

package text

import (
	"strings"
	"testing"

	"github.com/viaduct-project/viaduct/agent/report"
)

func TestUpkeep(t *testing.T) {
	r := &report.Report{Connections: []report.Connection{
		{Remote: "198.51.100.7:5060", Initiator: "local", Upkeep: &report.Upkeep{
			PromisedSeconds: 30, Basis: "keep", MeanSeconds: report.Ref(27.1), LongestSeconds: report.Ref(29.9), By: "both",
			Answered: report.Ref("yes"), RoundTripSeconds: report.Ref(0.25), Method: report.Ref("crlf"), Because: "the policy says so", State: "fine",
		}},
		{Remote: "198.51.100.8:5060", Initiator: "local"}, // owes nothing
		{Remote: "198.51.100.9:5060", Upkeep: &report.Upkeep{
			PromisedSeconds: 29, Basis: "outbound", By: "viaduct", Answered: report.Ref("no"), Method: report.Ref("stun"), Because: "UDP", State: "stopped",
		}},
		{Remote: "198.51.100.11:5061", Upkeep: &report.Upkeep{
			PromisedSeconds: 30, Basis: "keep", By: "nobody", KernelSeconds: report.Ref(27.0), Method: report.Ref("tcp"), Because: "TLS", State: "fine",
			ProbesUnanswered: new(uint8),
		}},
		{Remote: "198.51.100.12:5061", Upkeep: &report.Upkeep{
			PromisedSeconds: 30, Basis: "keep", By: "nobody", KernelSeconds: report.Ref(27.0), Method: report.Ref("tcp"), Because: "TLS", State: "fine",
			ProbesUnanswered: report.Ref(uint8(3)),
		}},
		{Remote: "198.51.100.10:5060", Upkeep: &report.Upkeep{PromisedSeconds: 95, Basis: "Flow-Timer", By: "nobody", State: "fine"}},
	}}
	var b strings.Builder
	upkeep(&b, r, options{rows: 100})
	const want = `
REMOTE               KEPT ALIVE     PROMISED          KEPT  LONGEST  ANSWERED      RTT  BY MEANS OF
>198.51.100.7:5060   by both        30s keep           27s      29s  yes       250.0ms  crlf: the policy says so
 198.51.100.9:5060   by viaduct     29s outbound         -        -  no              -  stun, stopped: UDP
 198.51.100.11:5061  by the kernel  30s keep           27s      27s  -               -  tcp: TLS
 198.51.100.12:5061  by the kernel  30s keep           27s      27s  -               -  tcp: TLS; unanswered: 3
 198.51.100.10:5060  by nobody      1m35s Flow-Timer     -        -  -               -  -
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	b.Reset()
	upkeep(&b, &report.Report{Connections: r.Connections[1:2]}, options{rows: 100})
	if b.Len() > 0 {
		t.Errorf("a table of nothing: %s", &b)
	}
}

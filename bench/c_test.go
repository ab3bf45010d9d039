// SPDX-License-Identifier: Apache-2.0

//go:build cpeers

package bench

import (
	"testing"

	"github.com/viaduct-project/viaduct/bench/cpeers"
)

func BenchmarkParseC(b *testing.B) {
	msg := invite(b)
	for _, peer := range []struct {
		name  string
		parse func([]byte, int) int
	}{{"sofia-sip", cpeers.Sofia}, {"libosip2", cpeers.OSIP}, {"libre", cpeers.Re}} {
		b.Run(peer.name, func(b *testing.B) {
			b.SetBytes(int64(len(msg)))
			if vias := peer.parse(msg, b.N); vias != 3 {
				b.Fatal(vias, "Vias instead of 3")
			}
		})
	}
}

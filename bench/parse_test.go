// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"os"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// invite is 790 bytes with three Via fields.
func invite(tb testing.TB) []byte {
	msg, err := os.ReadFile("../sipparse/testdata/bench/invite.sip")
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}

// minimalSipgo is sipgo's parser, told to read only the fields that viaduct
// reads.
func minimalSipgo() *sip.Parser {
	all, few := sip.DefaultHeadersParser(), map[string]sip.HeaderParser{}
	for _, name := range []string{"via", "v", "call-id", "i", "cseq", "from", "f", "to", "t", "contact", "m", "route", "record-route", "content-length", "l"} {
		few[name] = all[name]
	}
	return sip.NewParser(sip.WithHeadersParsers(few))
}

func BenchmarkParse(b *testing.B) {
	msg := invite(b)
	b.Run("sipparse", func(b *testing.B) {
		var m fields
		b.SetBytes(int64(len(msg)))
		b.ReportAllocs()
		for b.Loop() {
			if err := m.read(msg); err != nil || m.nvias != 3 {
				b.Fatal(err, m.nvias)
			}
		}
	})
	for name, p := range map[string]*sip.Parser{"sipgo": sip.NewParser(), "sipgo-minimal": minimalSipgo()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.ParseSIP(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"os"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/viaduct-project/viaduct/sipparse"
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
	for _, name := range []string{"via", "v", "call-id", "i", "cseq", "from", "f", "to", "t", "contact", "m", "content-length", "l"} {
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

// BenchmarkFraming cuts a stream of messages, 64 KiB at a time, as the largest
// segments come.
func BenchmarkFraming(b *testing.B) {
	b.Run("framer", func(b *testing.B) {
		stream := bytes.Repeat(invite(b), 82)
		f := sipparse.NewFramer(&sipparse.FramerOptions{DropBody: true})
		var item sipparse.Item
		b.SetBytes(int64(len(stream)))
		b.ReportAllocs()
		for b.Loop() {
			f.Push(stream)
			for f.Next(&item) {
				if item.Kind != sipparse.ItemMessage {
					b.Fatal(item.Kind)
				}
			}
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/viaduct-project/viaduct/sipparse"
)

// The messages are valid and plain enough for both parsers: what either is
// known to misread (white space around the slashes of a Via, parameters in
// quotes, a tab for a space) is left out here, and is in sipparse's own tests.

type generator struct{ *rand.Rand }

func (g generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g generator) word(letters string, n int) string {
	b := make([]byte, 1+g.IntN(n))
	for i := range b {
		b[i] = letters[g.IntN(len(letters))]
	}
	return string(b)
}

const (
	tokenLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"
	hostLetters  = "abcdefghijklmnopqrstuvwxyz0123456789"
)

func (g generator) host() string {
	switch g.IntN(4) {
	case 0:
		return fmt.Sprintf("192.0.2.%d", g.IntN(256))
	case 1:
		return fmt.Sprintf("[2001:db8::%x:%x]", g.IntN(65536), g.IntN(65536))
	}
	return g.word(hostLetters, 12) + ".example." + g.pick("com", "net", "org")
}

func (g generator) port() string {
	if g.IntN(2) == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", 1+g.IntN(65535))
}

func (g generator) via() string {
	s := fmt.Sprintf("SIP/2.0/%s %s%s;branch=z9hG4bK%s", g.pick("UDP", "TCP", "TLS", "WS", "WSS", "SCTP", "TLS-SCTP"), g.host(), g.port(), g.word(tokenLetters, 30))
	for _, p := range []string{"rport", fmt.Sprintf("rport=%d", 1+g.IntN(65535)), "keep", "alias", fmt.Sprintf("received=192.0.2.%d", g.IntN(256)), "x=" + g.word(tokenLetters, 9)} {
		if g.IntN(4) == 0 && !strings.Contains(s, ";"+p[:min(4, len(p))]) {
			s += ";" + p
		}
	}
	return s
}

func (g generator) address(tag string) string {
	s := fmt.Sprintf("<sip:%s@%s%s>", g.word(hostLetters, 9), g.host(), g.port())
	s = g.pick("", "Name ", `"Quoted, Name" `) + s
	if tag != "" {
		s += ";tag=" + tag
	}
	return s
}

func (g generator) message() string {
	method := g.pick("INVITE", "REGISTER", "OPTIONS", "NEWMETHOD")
	lines := []string{fmt.Sprintf("%s sip:%s SIP/2.0", method, g.host())}
	if g.IntN(2) == 0 {
		lines[0] = fmt.Sprintf("SIP/2.0 %d %s", 100+g.IntN(600), g.word(hostLetters, 10))
	}
	for range 1 + g.IntN(3) {
		values := []string{g.via()}
		for g.IntN(3) == 0 {
			values = append(values, g.via())
		}
		lines = append(lines, g.pick("Via: ", "v: ", "VIA: ")+strings.Join(values, g.pick(",", ", ")))
	}
	return strings.Join(append(lines,
		g.pick("From: ", "f: ")+g.address(g.word(tokenLetters, 10)),
		g.pick("To: ", "t: ")+g.address(g.pick("", g.word(tokenLetters, 10))),
		g.pick("Call-ID: ", "i: ", "CALL-ID:")+g.word(tokenLetters, 20)+g.pick("", "@"+g.word(hostLetters, 9)),
		fmt.Sprintf("%s%d %s", g.pick("CSeq: ", "CSEQ: "), g.IntN(1<<31), method),
		"Content-Length: 0"), "\r\n") + "\r\n\r\n"
}

// TestSameAsSipgo: on valid messages both parsers read the same.
func TestSameAsSipgo(t *testing.T) {
	for seed := range uint64(20_000) {
		msg := generator{rand.New(rand.NewPCG(seed, 1))}.message()
		theirs, err := bySipgo(msg)
		if err != nil {
			t.Fatalf("seed %d: sipgo: %v\n%s", seed, err, msg)
		}
		if ours := bySipparse(t, msg); ours != theirs {
			t.Fatalf("seed %d:\n%s\nsipparse reads\n%s\nsipgo reads\n%s", seed, msg, ours, theirs)
		}
	}
}

func bySipparse(t *testing.T, msg string) string {
	defects, err := sipparse.Check([]byte(msg))
	if err != nil {
		t.Fatal(err)
	}
	for code := range defects.All {
		if code != sipparse.CodeMissingMaxForwards {
			t.Fatalf("%v in a valid message\n%s", code, msg)
		}
	}
	var p sipparse.Parser
	if _, err := p.Start([]byte(msg)); err != nil {
		t.Fatal(err)
	}
	var vias, callID, cseq, from, to string
	for p.Next() {
		h := p.Field()
		switch h.ID {
		case sipparse.HeaderVia:
			list, v := h.Vias(), sipparse.Via{}
			for list.Next(&v) {
				vias += via(string(v.TransportName), string(v.Host), int(v.Port), string(v.Branch), string(v.Received), v.RPort.Present, v.Keep.Present, v.Alias)
			}
		case sipparse.HeaderCallID:
			callID = string(h.Value)
		case sipparse.HeaderCSeq:
			c := h.CSeq()
			cseq = fmt.Sprint(c.N, " ", string(c.MethodName))
		case sipparse.HeaderFrom:
			from = string(h.Tag())
		case sipparse.HeaderTo:
			to = string(h.Tag())
		}
	}
	return strings.Join([]string{vias, callID, cseq, from, to}, "\n")
}

func bySipgo(msg string) (string, error) {
	m, err := sip.ParseMessage([]byte(msg))
	if err != nil {
		return "", err
	}
	headers := m.(interface {
		GetHeaders(name string) []sip.Header
		CallID() *sip.CallIDHeader
		CSeq() *sip.CSeqHeader
		From() *sip.FromHeader
		To() *sip.ToHeader
	})
	var vias string
	for _, h := range headers.GetHeaders("via") {
		v := h.(*sip.ViaHeader)
		get := func(name string) string { s, _ := v.Params.Get(name); return s }
		vias += via(v.Transport, strings.Trim(v.Host, "[]"), v.Port, get("branch"), get("received"), v.Params.Has("rport"), v.Params.Has("keep"), v.Params.Has("alias"))
	}
	c := headers.CSeq()
	from, _ := headers.From().Params.Get("tag")
	to, _ := headers.To().Params.Get("tag")
	return strings.Join([]string{vias, headers.CallID().Value(), fmt.Sprint(c.SeqNo, " ", string(c.MethodName)), from, to}, "\n"), nil
}

func via(transport, host string, port int, branch, received string, rport, keep, alias bool) string {
	return fmt.Sprintf("%s %s %d branch %s received %s rport %v keep %v alias %v; ", transport, host, port, branch, received, rport, keep, alias)
}

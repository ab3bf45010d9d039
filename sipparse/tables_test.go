// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	seen := map[string]Code{}
	for code := range codeCount {
		name := code.String()
		if name == "" || name == "unknown" || strings.ToLower(name) != name {
			t.Errorf("code %d has the name %q", code, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("codes %d and %d are both %q", code, other, name)
		}
		seen[name] = code
	}
	if codeCount > 64 {
		t.Error("more codes than bits in Defects")
	}
	if len(codeNames) != int(codeCount) || int(HeaderReason) >= 64 || len(headerNames) != int(HeaderReason)+1 {
		t.Error("a code or header without a name")
	}
	if Code(200).String() != "unknown" || HeaderID(200).String() != "other" || Method(200).String() != "unknown" ||
		Transport(200).String() != "unknown" || ItemKind(200).String() != "unknown" || Filler(200).String() != "unknown" {
		t.Error("a value out of range has a name")
	}
}

// TestHeaderSlots: no two names share a slot, or one of them would not be found.
func TestHeaderSlots(t *testing.T) {
	n := len(longNames)
	for _, e := range headerTable {
		if e.id != HeaderOther {
			n++
		}
	}
	for _, names := range headerNames[1:] {
		n -= len(names)
	}
	if n != 0 {
		t.Errorf("%d names are lost: headerSlot needs other factors", -n)
	}
}

func TestLookupHeader(t *testing.T) {
	for i, names := range headerNames {
		for _, name := range names {
			id := HeaderID(i)
			for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
				if got := LookupHeader([]byte(spelling)); got != id {
					t.Errorf("%s is %v, want %v", spelling, got, id)
				}
				var p Parser
				if _, err := p.Start([]byte("OPTIONS sip:a@example.com SIP/2.0\r\n" + spelling + ": x\r\n\r\n                ")); err != nil || !p.Next() || p.ID() != id {
					t.Errorf("%s parses as %v, want %v (%v)", spelling, p.ID(), id, err)
				}
			}
			for _, wrong := range []string{name + "x", "x" + name, strings.ReplaceAll(name, "-", "\r"), strings.ReplaceAll(name, "-", "_")} {
				if got := LookupHeader([]byte(wrong)); wrong != name && got != HeaderOther {
					t.Errorf("%q is %v", wrong, got)
				}
			}
		}
	}
	if LookupHeader(nil) != HeaderOther || LookupHeader([]byte("\x00")) != HeaderOther {
		t.Error("nothing is a header")
	}
}

// TestWords: the constants that names are compared with.
func TestWords(t *testing.T) {
	for want, words := range map[string][]uint64{
		" SIP/2.0": {wordSIP20}, "SIP/2.0 ": {wordStatus}, "SIP/2.0/": {wordSIPSlash20},
		"UDP ": {wordUDP}, "TCP ": {wordTCP}, "TLS ": {wordTLS}, "WSS ": {wordWSS}, "sip:": {wordSIP},
		"branch": {wordBranch}, "rport": {wordRPort}, "received": {wordReceived}, "alias": {wordAlias},
		"keep": {wordKeep}, "ob": {wordOB}, "tag": {wordTag}, ";tag=": {wordTagIs}, "reg-id": {wordRegID},
		"expires": {wordExpires}, "lr": {wordLR}, "maddr": {wordMAddr}, "transpor": {wordTranspor},
		"outbound": {wordOutbound}, "path": {wordPath}, "persiste": {wordPersiste},
	} {
		for _, w := range words {
			if key8(want) != w {
				t.Errorf("%q is %#x, not %#x", want, key8(want), w)
			}
		}
	}
	for m := MethodInvite; m <= MethodRefer; m++ {
		name := m.String()
		if LookupMethod([]byte(name)) != m || LookupMethod([]byte(strings.ToLower(name))) != MethodUnknown {
			t.Errorf("%s is %v", name, LookupMethod([]byte(name)))
		}
		if len(name) < 8 && name != "INVITE" && shortMethod(key8(name)) != m {
			t.Errorf("%s is %v as a word", name, shortMethod(key8(name)))
		}
	}
	for tr := TransportUDP; tr <= TransportPTCP; tr++ {
		for _, s := range []string{tr.String(), strings.ToLower(tr.String())} {
			if LookupTransport([]byte(s)) != tr {
				t.Errorf("%s is %v", s, LookupTransport([]byte(s)))
			}
		}
	}
}

func TestParseDelta(t *testing.T) {
	for value, want := range map[string]NumParam{
		"":                       {Present: true},
		"0":                      {true, true, true, 0},
		" 3600 ":                 {true, true, true, 3600},
		"0060":                   {true, true, true, 60},
		"120;duration=3":         {true, true, true, 120},
		"18 (in a (while))":      {true, true, true, 18},
		"\r\n 5":                 {true, true, true, 5},
		"4294967295":             {true, true, true, 4294967295},
		"4294967296":             {true, true, false, 4294967295},
		"18446744073709551617":   {true, true, false, 4294967295},
		strings.Repeat("9", 500): {true, true, false, 4294967295},
		"-1":                     {true, true, false, 0},
		"+5":                     {true, true, false, 0},
		"5 s":                    {true, true, false, 0},
		"5s":                     {true, true, false, 0},
		"1.5":                    {true, true, false, 0},
		"0x10":                   {true, true, false, 0},
		"1,5":                    {true, true, false, 0},
		"٣":                      {true, true, false, 0},
		"Thu, 01 Jan 1970":       {true, true, false, 0},
	} {
		if got := ParseDelta([]byte(value)); got != want {
			t.Errorf("%q: %+v, want %+v", value, got, want)
		}
	}
}

func TestHasTag(t *testing.T) {
	for _, c := range []struct {
		value, tag string
		want       bool
	}{
		{"outbound", "outbound", true}, {" path ,\r\n OutBound", "outbound", true}, {"outbounds", "outbound", false},
		{"", "outbound", false}, {",,outbound", "outbound", true}, {"path outbound", "outbound", false},
		{"\"outbound\"", "outbound", false}, {"path,", "", false},
	} {
		if got := HasTag([]byte(c.value), c.tag); got != c.want {
			t.Errorf("%q in %q: %v", c.tag, c.value, got)
		}
	}
}

func TestOptions(t *testing.T) {
	for value, want := range map[string]Options{
		"": 0, " , ": 0, "outbound": OptionOutbound, "100rel, OutBound , PATH\r\n ,,timer": OptionOutbound | OptionPath,
		"Persistence,persistenco,persistencx": OptionPersistence, "outbounds,pat,path path": 0, "@utbound, p\x01th, \x10ath": 0,
	} {
		if got := ParseOptions([]byte(value)); got != want {
			t.Errorf("%q: %b, want %b", value, got, want)
		}
	}
}

func TestLooksLikeSIP(t *testing.T) {
	for b, want := range map[string]Verdict{
		"": VerdictMore, "\r\n\r\n": VerdictMore, "INV": VerdictMore, "INVITE sip:": VerdictYes, "\r\nINVITE tel:+1": VerdictYes,
		"NEWONE sip:a@example.com SIP/2.0\r\n": VerdictYes, "NEWONE sip:a@example.com": VerdictMore,
		"SIP/2.0 200": VerdictYes, "SIP/2.0 2": VerdictMore, "SIP/2.0/TCP": VerdictNo, "sip/3.1 486 Busy": VerdictYes,
		"GET / HTTP/1.1\r\n": VerdictNo, "GET / HTTP/1.1": VerdictMore, "OPTIONS rtsp://example.com RTSP/1.0\r\n": VerdictNo,
		"\x16\x03\x01\x02\x00\x01": VerdictNo, "Via: SIP/2.0/TCP h\r\n": VerdictNo, "\x00\x01": VerdictNo, "SSH-2.0-x\r\n": VerdictNo,
		"INVITE \x00": VerdictNo, strings.Repeat("A", 65): VerdictNo, strings.Repeat("A", 64): VerdictMore,
		"A " + strings.Repeat("x", maxStartLine): VerdictNo,
	} {
		if got := LooksLikeSIP([]byte(b)); got != want {
			t.Errorf("%q: %v, want %v", b[:min(len(b), 60)], got, want)
		}
	}
}

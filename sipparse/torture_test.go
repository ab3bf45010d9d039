// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the readings in testdata/torture anew")

// tortureCase is a message of ours of the same kind as a case of RFC 4475 or
// RFC 5118, whose name it has. The message is testdata/torture/NAME.sip; what is
// read from it, with the place of every defect, is NAME.want beside it.
type tortureCase struct {
	name    string
	section string // of the RFC
	advice  string // what the RFC asks of an element that receives it
	codes   string // all that Check reports
	framing Code   // of the message as a datagram
	why     string // why more is read than the RFC's advice asks for
}

const (
	accept = "accept"
	reject = "reject"
)

// An observer does not answer, so it gains nothing by refusing: whatever the RFC
// wants rejected is read as far as it goes, and reported.
const (
	readOn = "the fault is reported; all other fields are unharmed, and two neighbours that live with it are still to be watched"
	notOur = "the fault is in a field or a rule above syntax that is not read here"
)

var tortureCases = []tortureCase{
	{"wsinv", "4475 3.1.1.1", accept, "", CodeNone, ""},
	{"intmeth", "4475 3.1.1.2", accept, "", CodeNone, ""},
	{"esc01", "4475 3.1.1.3", accept, "", CodeNone, ""},
	{"escnull", "4475 3.1.1.4", accept, "", CodeNone, ""},
	{"esc02", "4475 3.1.1.5", accept, "", CodeNone, ""},
	{"lwsdisp", "4475 3.1.1.6", accept, "", CodeNone, ""},
	{"longreq", "4475 3.1.1.7", accept, "", CodeNone, ""},
	{"dblreq", "4475 3.1.1.8", accept, "", CodeBodyExtra, ""},
	{"semiuri", "4475 3.1.1.9", accept, "", CodeNone, ""},
	{"transports", "4475 3.1.1.10", accept, "", CodeNone, ""},
	{"mpart01", "4475 3.1.1.11", accept, "", CodeNone, ""},
	{"unreason", "4475 3.1.1.12", accept, "", CodeNone, ""},
	{"noreason", "4475 3.1.1.13", accept, "", CodeNone, ""},
	{"badinv01", "4475 3.1.2.1", reject, "list-empty param-invalid", CodeNone, readOn},
	{"clerr", "4475 3.1.2.2", reject, "", CodeBodyShort, "the head is whole; that the body is not is the framing's to report"},
	{"ncl", "4475 3.1.2.3", reject, "number-invalid", CodeLengthInvalid, readOn},
	{"scalar02", "4475 3.1.2.4", reject, "number-overflow", CodeNone, readOn},
	{"scalarlg", "4475 3.1.2.5", reject, "number-overflow", CodeNone, readOn},
	{"quotbal", "4475 3.1.2.6", reject, "quote-open", CodeNone, "the URI in brackets behind the open quote is plain to see"},
	{"ltgtruri", "4475 3.1.2.7", reject, "uri-brackets", CodeNone, readOn},
	{"lwsruri", "4475 3.1.2.8", reject, "uri-space", CodeNone, "the first word is a method and the last a version: the URI is what lies between"},
	{"lwsstart", "4475 3.1.2.9", reject, "start-space", CodeNone, "the RFC lets an element be liberal here"},
	{"trws", "4475 3.1.2.10", reject, "start-trailing-space", CodeNone, "the RFC lets an element be liberal here"},
	{"escruri", "4475 3.1.2.11", reject, "uri-headers", CodeNone, "the RFC lets an element ignore the headers"},
	{"baddate", "4475 3.1.2.12", reject, "", CodeNone, notOur},
	{"regbadct", "4475 3.1.2.13", reject, "uri-headers", CodeNone, "the RFC lets an element infer the brackets"},
	{"badaspec", "4475 3.1.2.14", reject, "addr-space", CodeNone, "what stands between the spaces is a URI"},
	{"baddn", "4475 3.1.2.15", reject, "display-name", CodeNone, "From and To hold one address, so the comma can only be part of the name"},
	{"badvers", "4475 3.1.2.16", reject, "version-unknown", CodeNone, readOn},
	{"mismatch01", "4475 3.1.2.17", reject, "cseq-method", CodeNone, readOn},
	{"mismatch02", "4475 3.1.2.18", reject, "cseq-method", CodeNone, readOn},
	{"bigcode", "4475 3.1.2.19", reject, "status-invalid", CodeNone, "the status is unknown, which 0 says; the transaction is still named"},
	{"badbranch", "4475 3.2.1", accept, "branch-cookie-only", CodeNone, ""},
	{"insuf", "4475 3.3.1", reject, "missing-call-id missing-from missing-to missing-max-forwards", CodeNone, readOn},
	{"unkscm", "4475 3.3.2", accept, "", CodeNone, ""},
	{"novelsc", "4475 3.3.3", accept, "", CodeNone, ""},
	{"unksm2", "4475 3.3.4", accept, "", CodeNone, ""},
	{"bext01", "4475 3.3.5", accept, "", CodeNone, ""},
	{"invut", "4475 3.3.6", accept, "", CodeNone, ""},
	{"regaut01", "4475 3.3.7", accept, "", CodeNone, ""},
	{"multi01", "4475 3.3.8", reject, "header-duplicate", CodeNone, "the first of each is taken, as most servers do"},
	{"mcl01", "4475 3.3.9", reject, "header-duplicate", CodeLengthConflict, "the shorter length is taken on a stream: what follows is skipped, but no message is lost in a body"},
	{"bcast", "4475 3.3.10", reject, "", CodeNone, notOur},
	{"zeromf", "4475 3.3.11", accept, "", CodeNone, ""},
	{"cparam01", "4475 3.3.12", accept, "", CodeNone, ""},
	{"cparam02", "4475 3.3.13", accept, "", CodeNone, ""},
	{"regescrt", "4475 3.3.14", accept, "", CodeNone, ""},
	{"sdp01", "4475 3.3.15", accept, "", CodeNone, ""},
	{"inv2543", "4475 3.4.1", accept, "missing-max-forwards missing-from-tag", CodeNone, ""},
	{"test", "4475 appendix A", reject, "version-unknown uri-invalid header-no-colon missing-via missing-cseq missing-from-tag", CodeNone, readOn},

	{"ipv6-good", "5118 4.1", accept, "", CodeNone, ""},
	{"ipv6-bad", "5118 4.2", reject, "host-unbracketed", CodeNone, readOn},
	{"port-ambiguous", "5118 4.3", accept, "", CodeNone, ""},
	{"port-unambiguous", "5118 4.4", accept, "", CodeNone, ""},
	{"via-received-param-with-delim", "5118 4.5", accept, "", CodeNone, ""},
	{"via-received-param-no-delim", "5118 4.5", accept, "", CodeNone, ""},
	{"ipv6-in-sdp", "5118 4.6", accept, "", CodeNone, ""},
	{"mult-ip-in-header", "5118 4.7", accept, "", CodeNone, ""},
	{"mult-ip-in-sdp", "5118 4.8", accept, "", CodeNone, ""},
	{"ipv4-mapped-ipv6", "5118 4.9", accept, "", CodeNone, ""},
	{"ipv6-bug-abnf-3-colons", "5118 4.10", accept, "", CodeNone, "the RFC asks for it: three colons are a known slip of RFC 3261's grammar"},

	// What other parsers misread without an error: Via values in lists and
	// behind folds, IPv6, quoted parameters, line ends, and values of keep.
	{"peers-list-via", "", accept, "", CodeNone, ""},
	{"peers-line-ends", "", accept, "line-bare-lf", CodeNone, ""},
	{"peers-bare-cr", "", accept, "line-bare-cr", CodeNone, ""},
	{"peers-keep-forms", "", reject, "value-empty param-duplicate number-invalid number-overflow protocol-invalid host-missing port-invalid", CodeNone, readOn},
}

func TestTorture(t *testing.T) {
	files, err := filepath.Glob("testdata/torture/*.sip")
	if err != nil || len(files) != len(tortureCases) {
		t.Errorf("%d messages (%v), %d cases", len(files), err, len(tortureCases))
	}
	for _, c := range tortureCases {
		t.Run(c.name, func(t *testing.T) {
			file := "testdata/torture/" + c.name
			msg, err := os.ReadFile(file + ".sip")
			if err != nil {
				t.Fatal(err)
			}
			if got := FrameDatagram(msg).Code; got != c.framing {
				t.Errorf("framing: %v, want %v", got, c.framing)
			}
			all, err := Check(msg)
			if err != nil {
				t.Fatal(err)
			}
			if got := codes(&all); got != c.codes {
				t.Errorf("defects %q, want %q", got, c.codes)
			}
			if c.advice == reject && c.why == "" && c.codes == "" && c.framing == CodeNone {
				t.Error("more lenient than the RFC, and no reason given")
			}
			got := reading(msg)
			if *update {
				if err := os.WriteFile(file+".want", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("read:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func codes(d *Defects) string {
	var s []string
	for code := range d.All {
		s = append(s, code.String())
	}
	return strings.Join(s, " ")
}

// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/viaduct-project/viaduct/agent/report"
)

// keptPolicy has keep-alives sent in these cases only. In each a phone is
// registered with Kamailio, and one of the two is helped, the other its peer.
const keptPolicy = `version: 1
peers:
- {name: phone-auto, match: {cidrs: [198.51.100.32/27]}, enforce: enforce, keepalive: {inject: always, interval: 5s}}
- {name: phone-crlf, match: {cidrs: [198.51.100.96/27]}, enforce: enforce, keepalive: {inject: always, interval: 5s, method: crlf}}
- {name: kamailio-auto, match: {cidrs: [198.51.100.128/27]}, enforce: enforce, keepalive: {inject: always, interval: 5s}}
- {name: asterisk-close, match: {cidrs: [192.0.2.192/26], process: [asterisk]}, enforce: enforce, ephemeral: {idle_timeout: 40s}}
- {name: kamailio-crlf, match: {cidrs: [198.51.100.192/27]}, enforce: enforce, keepalive: {inject: always, interval: 5s, method: crlf}}
`

// Rows: each has 64 addresses, phones in the lower half and Kamailio in the upper.
const (
	phoneAuto = iota
	phoneCRLF
	kamailioAuto
	kamailioCRLF
	kamailio6Auto // in the rows of the older one
	kamailio6CRLF
)

const (
	unprepared  = "nothing shows that the program copes with pongs"
	pingsItself = "the program has been seen to send pings, so it knows pongs"
	told        = "the policy says so"
	encrypted   = "nothing can be put into a TLS stream from outside of the program"
	datagrams   = "on UDP, STUN is what RFC 5626 has"
)

var keptCases = []struct {
	fact             string
	row              int
	phone, transport string
	method, because  string
	answered, state  string // answered is - where nobody can tell
	harmed           int
}{
	{"V1", phoneAuto, "baresip", "tcp", "tcp", unprepared, "-", "fine", 0},
	{"V2", phoneCRLF, "baresip", "tcp", "crlf", told, "yes", "fine", 0},
	{"V3", phoneAuto, "baresip", "udp", "stun", datagrams, "yes", "fine", 0},
	{"V4", phoneAuto, "baresip", "tls", "tcp", encrypted, "-", "fine", 0},
	{"V5", phoneAuto, "linphone", "tcp", "crlf", pingsItself, "yes", "fine", 0},
	{"V6", phoneCRLF, "linphone", "tcp", "crlf", told, "yes", "fine", 0},
	{"V7", phoneAuto, "linphone", "udp", "stun", datagrams, "yes", "fine", 0},
	{"V8", phoneAuto, "linphone", "tls", "tcp", encrypted, "-", "fine", 0},
	{"V9", kamailioAuto, "baresip", "tcp", "tcp", unprepared, "-", "fine", 0},
	{"V10", kamailioCRLF, "baresip", "tcp", "crlf", told, "yes", "fine", 1},
	{"V11", kamailioAuto, "baresip", "udp", "stun", datagrams, "yes", "fine", 0},
	{"V12", kamailioAuto, "baresip", "tls", "tcp", encrypted, "-", "fine", 0},
	{"V13", kamailioAuto, "linphone", "tcp", "tcp", unprepared, "-", "fine", 0},
	{"V14", kamailioCRLF, "linphone", "tcp", "crlf", told, "no", "fine", 0},
	{"V15", kamailioAuto, "linphone", "udp", "stun", datagrams, "no", "stopped", 0},
	{"V16", kamailioAuto, "linphone", "tls", "tcp", encrypted, "-", "fine", 0},
	{"V17", phoneAuto, "asterisk", "tcp", "crlf", pingsItself, "yes", "fine", 0},
	{"V18", phoneCRLF, "asterisk", "tcp", "crlf", told, "yes", "fine", 0},
	{"V19", phoneAuto, "asterisk", "udp", "stun", datagrams, "yes", "fine", 0},
	{"V20", phoneAuto, "asterisk", "tls", "tcp", encrypted, "-", "fine", 0},
	{"V21", kamailioCRLF, "asterisk", "tcp", "crlf", told, "no", "fine", 0},
	{"V22", kamailioAuto, "asterisk", "udp", "stun", datagrams, "no", "stopped", 0},
	{"V23", kamailio6Auto, "baresip", "tcp", "tcp", unprepared, "-", "fine", 0},
	{"V24", kamailio6CRLF, "baresip", "tcp", "crlf", told, "yes", "fine", 1},
	{"V25", kamailio6Auto, "baresip", "tls", "tcp", encrypted, "-", "fine", 0},
}

// TestKept: what viaduct's keep-alives do to real programs, on either side.
func TestKept(t *testing.T) {
	for i, tt := range keptCases {
		helped := "phone"
		if tt.row >= kamailioAuto {
			helped = "kamailio"
		}
		t.Run(fmt.Sprintf("%s-%s-%s", helped, tt.phone, tt.fact), func(t *testing.T) {
			t.Parallel()
			row, name := tt.row, "kamailio-crlf"
			if row >= kamailio6Auto {
				row, name = row-kamailio6Auto+kamailioAuto, "kamailio-newer"
			}
			l := keptLab(t, row, i)
			if row != tt.row {
				l.release = elsewhere(t, "kamailio6.0")
			}
			if row == kamailioCRLF { // what viaduct learns of this one is of no other
				l.proxy = filepath.Join(t.TempDir(), name)
				if err := os.Symlink("/usr/sbin/kamailio", l.proxy); err != nil {
					t.Fatal(err)
				}
			}
			l.keptKamailio(tt.transport)
			switch tt.phone {
			case "baresip":
				l.baresip(tt.transport, "")
			case "linphone":
				l.linphone(tt.transport, "verify_server_certs=0\nverify_server_cn=0")
			case "asterisk":
				l.asterisk("asterisk22", l.a, "keep_alive_interval=60", "", l.registersAs(tt.transport, ""))
			}
			local, remote := l.a, l.b
			if helped == "kamailio" {
				local, remote = l.b, l.a
			}
			began := time.Now()
			var last *report.Connection
			l.until(3*time.Minute, func() string {
				c := l.between(local, remote, tt.transport)
				last = c
				switch {
				case c == nil:
					return "viaduct knows no connection"
				case c.Upkeep == nil || c.Upkeep.Method == nil || *c.Upkeep.Method != tt.method || c.Upkeep.Because != tt.because:
					return fmt.Sprintf("it is kept alive otherwise: %s", said(c.Upkeep))
				case l.done(c, "keepalive-"+tt.method) == 0:
					return "nothing was done"
				case c.Keepalives.PingsSent+c.Keepalives.StunSent > 0 && tt.phone == "baresip":
					return "viaduct's are taken for the program's"
				case tt.method == "tcp" && time.Since(began) < 20*time.Second:
					return "the kernel has not probed it for long"
				case tt.method != "tcp" && tt.state == "fine" && c.Keepalives.Injected < 5:
					return fmt.Sprintf("%d keep-alives were sent: %s", c.Keepalives.Injected, said(c.Upkeep))
				case answeredOf(c) != tt.answered || c.Upkeep.State != tt.state:
					return fmt.Sprintf("answered %s, state %s: %s", answeredOf(c), c.Upkeep.State, said(c.Upkeep))
				}
				return ""
			})
			l.reaches("alice")
			open := l.between(local, remote, tt.transport) // still, or it was closed
			harmed := 0
			for _, f := range watched.Report().Findings {
				if f.Rule == "POL-07" && f.Connection == last.ID {
					harmed++
				}
			}
			l.proves(tt.fact, open != nil && open.ID == last.ID && harmed == tt.harmed, "%s, %d found harm; %s", said(last.Upkeep), harmed, said(last.Keepalives))
		})
	}
}

func answeredOf(c *report.Connection) string {
	if c.Upkeep.Method != nil && *c.Upkeep.Method == "tcp" || c.Upkeep.Answered == nil {
		return "-"
	}
	return *c.Upkeep.Answered
}

// keptLab is a lab whose addresses are a row's of the policy.
func keptLab(t *testing.T, row, i int) *lab {
	t.Helper()
	at := func(half int) netip.Addr {
		return netip.AddrFrom4([4]byte{198, 51, 100, byte(64*row + 32*half + 1 + i)})
	}
	return labAt(t, fmt.Sprintf("kept%d", i), at(0), at(1))
}

// labAt is a lab at addresses that the policy knows.
func labAt(t *testing.T, name string, a, b netip.Addr) *lab {
	t.Helper()
	l := &lab{T: t, a: side{"viaduct-interop-" + name + "a", a}, b: side{"viaduct-interop-" + name + "b", b}, programs: make(map[netip.Addr][]string)}
	l.build(24)
	return l
}

// keptKamailio answers STUN, and reaches phones on their own connections.
func (l *lab) keptKamailio(transport string) {
	l.Helper()
	globals, modules := "tcp_connection_lifetime=120", `loadmodule "stun.so"
loadmodule "nathelper.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")
`
	if transport == "tls" {
		dir, _ := l.certificate()
		globals += fmt.Sprintf("\nenable_tls=yes\nlisten=tls:%s:5061", l.b.addr)
		modules += fmt.Sprintf(`loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "%[1]s/cert.pem")
modparam("tls", "private_key", "%[1]s/key.pem")
`, dir)
	}
	l.kamailio(globals, modules, `if (is_method("REGISTER")) fix_nated_register();`+registrar)
}

// between is the newest open connection of a program with its peer, but for
// those of sipp.
func (l *lab) between(local, remote side, transport string) (found *report.Connection) {
	r := l.report()
	for i := range r.Connections {
		c := &r.Connections[i]
		if c.Transport == transport && c.Closed == nil && address(c.Local) == local.addr && address(c.Remote) == remote.addr &&
			!strings.HasSuffix(c.Local, ":5062") && !strings.HasSuffix(c.Remote, ":5062") {
			found = c
		}
	}
	return found
}

// done counts what was done to a connection.
func (l *lab) done(c *report.Connection, action string) (n uint64) {
	for _, a := range watched.Report().Actions {
		if a.Connection == c.ID && a.Action == action && a.Outcome == "done" {
			n += uint64(a.Count)
		}
	}
	return n
}

func said(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

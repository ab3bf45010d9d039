// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/viaduct-project/viaduct/internal/testutil/release"
)

// asterisk is one that runs.
type asterisk struct {
	*program
	l   *lab
	of  *release.Release
	dir string
}

// asteriskFiles are its configuration but for SIP's.
func asteriskFiles(dir string) map[string]string {
	return map[string]string{
		"asterisk.conf": strings.ReplaceAll(`[directories]
astetcdir => DIR
astvarlibdir => DIR
astdbdir => DIR
astkeydir => DIR
astspooldir => DIR
astrundir => DIR
astlogdir => DIR
astdatadir => /usr/share/asterisk
[options]
`, "DIR", dir),
		"modules.conf": `[modules]
autoload=no
load=res_sorcery_config.so
load=res_sorcery_memory.so
load=res_sorcery_astdb.so
load=res_timing_timerfd.so
load=bridge_simple.so
load=codec_ulaw.so
load=res_rtp_asterisk.so
load=pbx_config.so
load=app_echo.so
load=res_pjproject.so
load=res_pjsip.so
load=res_pjsip_pubsub.so
load=res_pjsip_session.so
load=res_pjsip_sdp_rtp.so
load=res_pjsip_registrar.so
load=res_pjsip_outbound_registration.so
load=res_pjsip_endpoint_identifier_user.so
load=res_pjsip_endpoint_identifier_ip.so
load=res_pjsip_endpoint_identifier_anonymous.so
load=res_pjsip_nat.so
load=res_pjsip_path.so
load=chan_pjsip.so
`,
		"logger.conf":     "[general]\n[logfiles]\nconsole => notice,warning,error\n",
		"extensions.conf": "[default]\nexten => echo,1,Answer()\nsame => n,Echo()\nexten => alice,1,Goto(echo,1)\n",
	}
}

// asterisk runs chan_pjsip with UDP, TCP and TLS on a side, with more lines for
// the section global, for alice's address of record and endpoint, and sections of
// its own. Anybody may register as alice and call the echo.
func (l *lab) asterisk(version string, s side, global, alice, more string) *asterisk {
	l.Helper()
	dir, _ := l.certificate()
	aor, endpoint, _ := strings.Cut(alice, "|")
	return l.boot(version, s, dir, "pjsip.conf", fmt.Sprintf(`[global]
type=global
%[2]s
[udp]
type=transport
protocol=udp
bind=%[1]s:5060
[tcp]
type=transport
protocol=tcp
bind=%[1]s:5060
[tls]
type=transport
protocol=tls
bind=%[1]s:5061
method=tlsv1_2
cert_file=%[3]s/cert.pem
priv_key_file=%[3]s/key.pem
[alice]
type=aor
max_contacts=5
remove_existing=yes
%[4]s
[alice]
type=endpoint
aors=alice
context=default
disallow=all
allow=ulaw
%[5]s
[anonymous]
type=endpoint
context=default
disallow=all
allow=ulaw
%[6]s
`, s.addr, global, dir, aor, endpoint, more))
}

// boot starts it with a configuration of SIP.
func (l *lab) boot(version string, s side, dir, name, content string) *asterisk {
	l.Helper()
	files := asteriskFiles(dir)
	files[name] = content
	if name == "sip.conf" {
		files["modules.conf"] = "[modules]\nautoload=no\nload=res_timing_timerfd.so\nload=bridge_simple.so\nload=codec_ulaw.so\n" +
			"load=res_sorcery_config.so\nload=res_pjproject.so\nload=res_rtp_asterisk.so\nload=pbx_config.so\nload=app_echo.so\nload=chan_sip.so\n"
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			l.Fatal(err)
		}
	}
	a := &asterisk{l: l, of: elsewhere(l, version), dir: dir}
	a.program = l.startOf(*a.of, s, dir, "/usr/sbin/asterisk", "-C", filepath.Join(dir, "asterisk.conf"), "-f", "-n")
	l.listening(a.program, 5060)
	a.do("core waitfullybooted")
	return a
}

// do has it run a command, and returns what it says.
func (a *asterisk) do(command string) (said string) {
	a.l.Helper()
	a.l.until(patience, func() string {
		cmd := a.of.Provided("/usr/sbin/asterisk", "-C", filepath.Join(a.dir, "asterisk.conf"), "-rx", command)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		out, err := cmd.CombinedOutput()
		if said = string(out); err != nil {
			return fmt.Sprintf("%s: %v: %s", command, err, out)
		}
		return ""
	})
	return said
}

// registersAs has Asterisk register as alice with side b, whose requests for her
// then reach its echo.
func (l *lab) registersAs(transport, more string) string {
	port := map[bool]string{true: ":5061", false: ":5060"}[transport == "tls"]
	return fmt.Sprintf(`[registrar]
type=registration
transport=%[1]s
server_uri=sip:%[2]s%[3]s\;transport=%[1]s
client_uri=sip:alice@%[2]s
contact_user=echo
expiration=60
retry_interval=10
%[4]s
`, transport, l.b.addr, port, more)
}

// chanSIP runs Asterisk 16's old channel driver, which came with a SIP stack of
// its own, on side a, with more of its sip.conf. Anybody may call.
func (l *lab) chanSIP(more string) *asterisk {
	l.Helper()
	dir, _ := l.certificate()
	var both []byte // it wants them in one file
	for _, name := range []string{"cert.pem", "key.pem"} {
		part, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			l.Fatal(err)
		}
		both = append(both, part...)
	}
	if err := os.WriteFile(filepath.Join(dir, "both.pem"), both, 0o600); err != nil {
		l.Fatal(err)
	}
	return l.boot("asterisk16", l.a, dir, "sip.conf", fmt.Sprintf(`[general]
context=default
allowguest=yes
alwaysauthreject=no
defaultexpiry=60
udpbindaddr=%[1]s:5060
tcpenable=yes
tcpbindaddr=%[1]s:5060
tlsenable=yes
tlsbindaddr=%[1]s:5061
tlscertfile=%[2]s/both.pem
tlsdontverifyserver=yes
disallow=all
allow=ulaw
%[3]s
`, l.a.addr, dir, more))
}

// chanSIPRegisters is [lab.registersAs] for it.
func (l *lab) chanSIPRegisters(transport string) string {
	port := map[bool]string{true: "5061", false: "5060"}[transport == "tls"]
	return fmt.Sprintf("register => %s://alice:secret@%s:%s/echo\n", transport, l.b.addr, port)
}

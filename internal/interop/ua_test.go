// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
)

// baresip runs as sip:alice@registrar, with account parameters as its
// documentation names them. It listens on port 5070.
func (l *lab) baresip(transport, parameters string) *program {
	l.Helper()
	if parameters == outbound {
		parameters = fmt.Sprintf(";outbound=\"sip:%s;transport=%s\";sipnat=outbound", l.b.addr, transport)
	}
	dir, _ := l.file("config", fmt.Sprintf(`sip_listen %s:5070
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module ausine.so
module aufile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
audio_source ausine,440
audio_player aufile,/dev/null
audio_alert aufile,/dev/null
`, l.a.addr))
	account := fmt.Sprintf("<sip:alice@%s;transport=%s>;regint=60;answermode=auto;audio_codecs=pcmu%s\n", l.b.addr, transport, parameters)
	if err := os.WriteFile(filepath.Join(dir, "accounts"), []byte(account), 0o600); err != nil {
		l.Fatal(err)
	}
	return l.start(l.a, dir, "baresip", "-f", dir, "-v")
}

// outbound is what makes baresip ask for RFC 5626.
const outbound = "outbound"

// linphone runs as sip:alice@registrar, with more lines for the [sip] section
// of its configuration, and with port 5070 for UDP.
func (l *lab) linphone(transport, more string) *program {
	l.Helper()
	dir, path := l.file("linphonerc", fmt.Sprintf(`[sip]
sip_port=%[3]s
sip_tcp_port=%[4]s
sip_tls_port=%[6]s
default_proxy=0
register_only_when_network_is_up=0
%[5]s

[proxy_0]
reg_proxy=<sip:%[1]s;transport=%[2]s>
reg_route=<sip:%[1]s;transport=%[2]s>
reg_identity=sip:alice@%[1]s
reg_expires=60
reg_sendregister=1
publish=0

[net]
mtu=1300

[sound]
playback_dev_id=
`, l.b.addr, transport, map[bool]string{true: "5070", false: "0"}[transport == "udp"], map[bool]string{true: "-1", false: "0"}[transport == "tcp"], more, map[bool]string{true: "-1", false: "0"}[transport == "tls"]))
	// Without a place for its database it starts, and does nothing.
	if err := os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && l.Failed() {
			l.Logf("linphone's log ends with\n%s", log[max(0, len(log)-6000):])
		}
	})
	return l.start(l.a, dir, "linphonec", "-c", path, "-d", "6", "-l", filepath.Join(dir, "log"))
}

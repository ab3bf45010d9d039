// SPDX-License-Identifier: Apache-2.0

package nattest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/viaduct-project/viaduct/internal/testutil"
)

// sipp is a telephone that offers keep in its REGISTER and then never sends a
// keep-alive: it knows none. It rings when it is called.
func (p *phone) sipp(transport string) {
	p.Helper()
	dir := p.files(testutil.SIPpPhone(p.user))
	p.start("phone", dir, "sipp", "-t", transport[:1]+"1", "-i", p.addr.String(), "-p", "5070", "-nostdin",
		"-sf", "register.xml", "-oocsf", "ring.xml", "-m", "1", "-trace_err", "-error_file", "errors.log",
		fmt.Sprintf("%s:5060", p.server))
}

// baresip is a telephone that asks for nothing, and rings when it is called.
func (p *phone) baresip(transport string) {
	p.Helper()
	dir := p.files(map[string]string{
		"config": fmt.Sprintf(`sip_listen %s:5070
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
`, p.addr),
		"accounts": fmt.Sprintf("<sip:%s@%s;transport=%s>;regint=600;audio_codecs=pcmu\n", p.user, p.server, transport),
	})
	p.start("phone", dir, "baresip", "-f", dir, "-v")
}

// linphone is a telephone that would send keep-alives of its own, but for its
// configuration. It rings when it is called.
func (p *phone) linphone(transport string) {
	p.Helper()
	port := func(of string) string { // each telephone in the namespace has its own, and listens on one transport
		if of != transport {
			return "0"
		}
		return fmt.Sprint(5080 + int(p.addr.As4()[3]%64))
	}
	dir := p.files(map[string]string{
		"linphonerc": fmt.Sprintf(`[sip]
sip_port=%[3]s
sip_tcp_port=%[4]s
sip_tls_port=%[5]s
default_proxy=0
register_only_when_network_is_up=0
keepalive_period=600000
verify_server_certs=0
verify_server_cn=0

[proxy_0]
reg_proxy=<sip:%[1]s;transport=%[2]s>
reg_route=<sip:%[1]s;transport=%[2]s>
reg_identity=sip:%[6]s@%[1]s
reg_expires=600
reg_sendregister=1
publish=0

[net]
mtu=1300

[sound]
playback_dev_id=
`, p.server, transport, port("udp"), port("tcp"), port("tls"), p.user),
	})
	// Without a place for its database it starts, and does nothing.
	if err := os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && p.Failed() {
			p.Logf("linphone's log ends with\n%s", log[max(0, len(log)-6000):])
		}
	})
	cmd := command(dir, "linphonec", "-c", filepath.Join(dir, "linphonerc"), "-d", "6", "-l", filepath.Join(dir, "log"))
	if _, err := cmd.StdinPipe(); err != nil { // it quits at the end of its input
		p.Fatal(err)
	}
	testutil.Start(p, p.netns("phone"), cmd)
}

// called says whether the telephone rings when SIPp, at the server, calls it.
func (p *phone) called() bool {
	p.Helper()
	dir := p.files(map[string]string{"call.xml": strings.ReplaceAll(calls, "alice", p.user)})
	caller := p.start("server", dir, "sipp", "-t", "u1", "-i", p.server.String(), "-p", "5062", "-nostdin",
		"-sf", "call.xml", "-m", "1", "-timeout", "20", "-timeout_error", fmt.Sprintf("%s:5060", p.server))
	<-caller.Done
	return caller.Err == nil
}

const calls = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="calls">
<send retrans="500"><![CDATA[

INVITE sip:alice@[remote_ip] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:bob@[remote_ip]>;tag=[pid]
To: <sip:alice@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:bob@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=bob 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 6000 RTP/AVP 0
a=rtpmap:0 PCMU/8000

]]></send>
<recv response="100" optional="true"/>
<recv response="180"/>
</scenario>
`

// SPDX-License-Identifier: Apache-2.0

//go:build soak

package livetest

import (
	"flag"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 10*time.Minute, "how long")

// slowly are programs that take their time to be harmed.
var slowly = []suffers{
	{"SIPp, offers keep", true, true, 2, "INVITE", "sipp-phone", func(t *testing.T, l *link, p *counterpart) {
		l.sippNamed(t, "sipp-phone", map[string]string{"register.xml": sippRegisters, "ring.xml": sippRings},
			"-p", "5070", "-sf", "register.xml", "-oocsf", "ring.xml", "-m", "1", p.listen(l.b, 5060))
	}},
	{"waits behind a pong", false, false, 20, "OPTIONS", "phone-waits", phone("phone-waits", waitsFor)},
	{"waits behind a pong, offers keep", true, false, 40, "OPTIONS", "keep-waits", phone("keep-waits", waitsFor)},
	{"loses what comes behind a pong", false, false, 2, "OPTIONS", "phone-loses", phone("phone-loses", losesNext)},
	{"loses what comes behind a pong, offers keep", true, true, 2, "OPTIONS", "keep-loses", phone("keep-loses", losesNext)},
}

// TestPongsSoak is TestPongs with more programs, for ten minutes.
func TestPongsSoak(t *testing.T) { testPongs(t, append(inSeconds, slowly...), *soak) }

const sippRegisters = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="registers">
<send><![CDATA[

REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;keep;branch=[branch]
From: <sip:alice@[remote_ip]>;tag=[pid]
To: <sip:alice@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>
Expires: 3600
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
<pause milliseconds="3600000"/>
</scenario>
`

const sippRings = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="rings">
<recv request="INVITE"/>
<send><![CDATA[

SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=[pid]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

]]></send>
</scenario>
`

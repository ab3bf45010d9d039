// SPDX-License-Identifier: Apache-2.0

package testutil

import "strings"

// SIPpPhone are scenarios of a telephone of this user that offers keep in its
// REGISTER and then never sends a keep-alive, as SIPp knows none. It rings when
// it is called. They are files by name: register.xml is for -sf, and ring.xml for
// -oocsf. The telephone lasts an hour, and so does its registration.
func SIPpPhone(user string) map[string]string {
	all := make(map[string]string)
	for name, text := range map[string]string{"register.xml": registers, "ring.xml": rings} {
		all[name] = strings.ReplaceAll(text, "alice", user)
	}
	return all
}

const registers = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="registers">
<send retrans="500"><![CDATA[

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

const rings = `<?xml version="1.0" encoding="ISO-8859-1" ?>
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

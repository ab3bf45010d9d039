// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/tlswire"
)

// tlsLine says what conn's handshake showed.
func (conn *connection) tlsLine() *report.TLS {
	line := &report.TLS{
		ClientCertificate: tlswire.ClientUnknown.String(), Plaintext: "opaque",
		ALPNOffered: []string{}, ClientNames: []string{}, ServerNames: []string{},
	}
	if conn.read {
		line.Plaintext = "seen"
	}
	s := conn.TLS
	if s == nil {
		return line
	}
	for text, to := range map[string]**string{tlswire.VersionName(s.Version): &line.Version, s.SNI: &line.SNI, s.ALPN: &line.ALPN} {
		if text != "" {
			*to = report.Ref(text)
		}
	}
	if s.Resumed != tlswire.Unknown {
		line.Resumed = report.Ref(s.Resumed == tlswire.Yes)
	}
	line.ClientCertificate = s.Client.String()
	line.ALPNOffered = append(line.ALPNOffered, s.Offered...)
	line.ClientNames = append(line.ClientNames, s.ClientNames.All()...)
	line.ServerNames = append(line.ServerNames, s.ServerNames.All()...)
	return line
}

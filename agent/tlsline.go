// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"github.com/viaduct-project/viaduct/agent/report"
	"github.com/viaduct-project/viaduct/agent/tlswire"
	"github.com/viaduct-project/viaduct/internal/event"
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

// report is a connection's line as of now, with what the source knows of it.
func (c *Core) report(conn *connection, now event.Time) report.Connection {
	line := conn.report(now)
	if line.TLS == nil || conn.read || c.cfg.Opaque == nil {
		return line
	}
	if why := c.cfg.Opaque(conn.Owner.PID); why != "" {
		line.TLS.Opaque = report.Ref(why)
	}
	return line
}

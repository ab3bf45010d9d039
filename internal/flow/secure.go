// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"strings"

	"github.com/viaduct-project/viaduct/internal/event"
	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// maxNames bounds what a flow can put into a certificate.
const maxNames = 8

// shake has the two ends of a TLS connection shake hands where the observer
// sees it, if the declaration says of which version.
func (b *builder) shake(st *Step, c *Conn) error {
	h := compose.Handshake{Resumed: has(st.Args, "resumed")}
	var told bool
	if h.Version, told = option(st.Args, "version"); !told {
		for _, key := range []string{"sni", "server", "client"} {
			if _, ok := option(st.Args, key); ok || h.Resumed {
				return fault("tls %s: what the handshake shows needs version=1.2 or version=1.3", c.Name)
			}
		}
		return nil
	}
	h.SNI, _ = option(st.Args, "sni")
	server, _ := option(st.Args, "server")
	client, asked := option(st.Args, "client")
	switch {
	case h.Version != "1.2" && h.Version != "1.3":
		return fault("tls %s: version=%s: allowed are 1.2 and 1.3", c.Name, h.Version)
	case (h.Version == "1.3" || h.Resumed) && (server != "" || asked):
		return fault("tls %s: no certificate can be seen in TLS 1.3 or where a session is resumed", c.Name)
	case c.MidLife || !c.opened:
		return fault("tls %s: the handshake is where the connection begins", c.Name)
	}
	h.Asked = asked
	h.Server, h.Client = namesOf(server), namesOf(client)
	if len(h.Server) > maxNames || len(h.Client) > maxNames || len(h.SNI) > 255 {
		return fault("tls %s: at most %d names in a certificate", c.Name, maxNames)
	}
	flights, err := h.Flights()
	if err != nil {
		return fault("tls %s: %v", c.Name, err)
	}
	for _, f := range flights {
		from := c.Initiator
		if !f.Client {
			from = Other(from)
		}
		b.do(Action{Act: Seals, Conn: c, Side: from, Data: f.Bytes})
	}
	c.shown = h.Version
	return nil
}

func namesOf(list string) []string {
	if list == "" || list == "none" {
		return nil
	}
	return strings.Split(list, ",")
}

// alert ends one side's half of a TLS session.
func (b *builder) alert(st *Step, c *Conn) error {
	if c.Transport != event.TLS || c.shown != "1.2" {
		return fault("alert: it shows on TLS 1.2 only; declare %s with version=1.2", c.Name)
	}
	b.do(Action{Act: Seals, Conn: c, Side: st.From, Data: compose.Alert()})
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package demo

import "fmt"

// serve accepts until the listener is closed.
func (a *actor) serve() {
	for {
		raw, err := a.listener.AcceptTCP()
		if err != nil {
			return
		}
		a.play.serving.Go(func() { newConn(a, raw).answerAll() })
	}
}

// answerAll answers what comes in until the peer ends the connection.
func (c *conn) answerAll() {
	defer c.Close()
	for blank := false; ; {
		m, err := c.receive()
		if err != nil {
			return
		}
		switch {
		case m.start != "":
			blank = false
			err = c.send(c.actor.answer(m))
		case blank: // the second CRLF of a ping
			blank = false
			err = c.send(pong)
		default:
			blank = true
		}
		if err != nil {
			return
		}
	}
}

// answer is what a good server and registrar says to m.
func (a *actor) answer(m *message) string {
	via := m.header.Get("Via")
	switch m.method() {
	case "REGISTER":
		// RFC 5626 section 6: outbound applies, so it is required; Flow-Timer
		// and keep must agree (RFC 6223 section 5).
		return m.response("200 OK", agreeKeep(via),
			"Contact: "+m.header.Get("Contact"),
			"Require: outbound",
			"Supported: outbound, path",
			fmt.Sprintf("Flow-Timer: %d", keepSeconds))
	case "INVITE":
		return m.response("180 Ringing", via, "Contact: <"+a.uri()+">")
	case "OPTIONS":
		return m.response("200 OK", via, "Allow: INVITE, MESSAGE, OPTIONS", "Accept: application/sdp")
	}
	return m.response("200 OK", via)
}

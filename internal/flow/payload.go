// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bytes"
	"strconv"
	"strings"
)

// payload returns the bytes that a step sends.
func (b *builder) payload(st *Step, c *Conn) ([]byte, error) {
	switch st.What {
	case "ping":
		return []byte("\r\n\r\n"), nil
	case "pong":
		return []byte("\r\n"), nil
	case "raw", "filler":
		text, err := strconv.Unquote(st.Args[0])
		return []byte(text), err
	case "stun":
		return b.stun(st, c)
	case "again":
		m := c.last[Index(st.From)]
		if name, ok := option(st.Args, "re"); ok {
			if m = b.named[name]; m == nil {
				return nil, fault("again re=%s: no message has that name", name)
			}
		}
		if m == nil {
			return nil, fault("again: this side has sent no message on %s; name one with re=", c.Name)
		}
		return bytes.Clone(m.wire), nil
	}
	m, err := b.compose(st, c)
	if err != nil {
		return nil, err
	}
	m.wire = []byte(m.text.String())
	if n := st.intOption("size", 0); n > 0 {
		if n < len(m.wire) {
			return nil, fault("size=%d: the message has %d bytes already", n, len(m.wire))
		}
		m.fill(n)
	}
	if name, ok := option(st.Args, "as"); ok {
		b.named[name] = m
	}
	c.last[Index(st.From)] = m
	return m.wire, nil
}

// fill makes the message n bytes long with a header field that means nothing.
func (m *message) fill(n int) {
	const name = "Subject"
	if missing := n - len(m.wire) - len(name+": \r\n"); missing > 0 {
		m.text.Add(name, "%s", strings.Repeat("x", missing))
	}
	m.wire = []byte(m.text.String())
}

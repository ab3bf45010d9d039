// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"strings"

	"github.com/viaduct-project/viaduct/internal/flow/compose"
)

// stun makes a STUN message. A response repeats the id of the newest request
// of the other side on the connection, and says where that came from.
func (b *builder) stun(st *Step, c *Conn) ([]byte, error) {
	mine, theirs := Index(st.From), Index(Other(st.From))
	asks := st.Args[0] == "request" || st.Args[0] == "indication"
	id := c.stunID[theirs]
	if asks {
		b.stuns++
		id = stunID(fmt.Sprint(b.stuns))
	}
	if name, ok := option(st.Args, "id"); ok {
		id = stunID(name)
	}
	if asks {
		c.stunID[mine] = id
	} else if id == [12]byte{} {
		return nil, fault("stun %s: the other side has asked nothing on %s; give id=", st.Args[0], c.Name)
	}
	kinds := map[string]uint16{
		"request": compose.BindingRequest, "indication": compose.BindingIndication,
		"success": compose.BindingSuccess, "error": compose.BindingError,
	}
	m := compose.NewStun(kinds[st.Args[0]]&^1|method(st.intOption("method", 1)), id)
	switch st.Args[0] {
	case "success":
		mapped := c.Address(Other(st.From))
		if v, ok := option(st.Args, "mapped"); ok {
			mapped, _ = address(v, 0) // checked when it was read
		}
		if !has(st.Args, "nomapped") {
			m.XorMapped(mapped)
		}
	case "error":
		if code := st.intOption("code", 400); !has(st.Args, "nocode") {
			m.ErrorCode(code)
		}
	}
	if v, ok := option(st.Args, "attrs"); ok {
		for _, name := range strings.Split(v, ",") {
			if name == "mapped-address" {
				m.Mapped(c.Address(Other(st.From)))
				continue
			}
			m.Named(name)
		}
	}
	return m.Bytes(), nil
}

// method spreads the bits of a method around the two of the class (RFC 8489
// section 5).
func method(n int) uint16 {
	return uint16(n&0xf | n&0x70<<1 | n&0xf80<<2)
}

func stunID(name string) (id [12]byte) {
	copy(id[:], "flow")
	copy(id[4:], fmt.Sprintf("%8s", name))
	return id
}

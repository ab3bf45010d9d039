// SPDX-License-Identifier: Apache-2.0

package sipparse

import (
	"fmt"
	"strings"
)

// reading writes down all that is read from a message and all that is wrong
// with it, one thing a line.
func reading(msg []byte) string {
	var w strings.Builder
	item := FrameDatagram(msg)
	fmt.Fprintf(&w, "datagram: %v, head %d, body %d, code %v\n", item.Kind, len(item.Head), item.BodyLength, item.Code)
	var p Parser
	start, err := p.Start(msg)
	if err != nil {
		fmt.Fprintln(&w, "error:", err)
		return w.String()
	}
	if start.Request {
		fmt.Fprintf(&w, "request: %v %q %q %q\n", start.Method, start.MethodName, start.URI, start.Version)
	} else {
		fmt.Fprintf(&w, "response: %d %q %q\n", start.Status, start.Reason, start.Version)
	}
	writeDefects(&w, "", start.Defects)
	for p.Next() {
		writeField(&w, p.Header())
	}
	fmt.Fprintf(&w, "body at %d\n", p.BodyOffset())
	writeDefects(&w, "", p.Defects())
	all, _ := Check(msg)
	w.WriteString("check:")
	for code := range all.All {
		fmt.Fprintf(&w, " %v", code)
	}
	w.WriteString("\n")
	return w.String()
}

func writeDefects(w *strings.Builder, indent string, d Defects) {
	for i := range d.Places() {
		fmt.Fprintf(w, "%s! %v at %d\n", indent, d.At(i).Code, d.At(i).Offset)
	}
}

func writeField(w *strings.Builder, h Header) {
	fmt.Fprintf(w, "%d %v %q", h.Offset, h.ID, h.Name)
	switch h.ID {
	case HeaderVia:
		w.WriteString("\n")
		l, v := h.Vias(), Via{}
		for l.Next(&v) {
			fmt.Fprintf(w, "  %s\n", printVia(&v))
			writeDefects(w, "  ", v.Defects)
		}
		writeDefects(w, "  ", l.Defects)
	case HeaderFrom, HeaderTo:
		w.WriteString("\n")
		var a Address
		h.Address(&a)
		fmt.Fprintf(w, "  %s\n", printAddress(&a))
		writeDefects(w, "  ", a.Defects)
	case HeaderContact, HeaderRoute, HeaderRecordRoute, HeaderPath:
		w.WriteString("\n")
		l, a := h.Addresses(), Address{}
		for l.Next(&a) {
			fmt.Fprintf(w, "  %s\n", printAddress(&a))
			writeDefects(w, "  ", a.Defects)
		}
		writeDefects(w, "  ", l.Defects)
	case HeaderCSeq:
		c := h.CSeq()
		fmt.Fprintf(w, " %d %v %q valid %v\n", c.N, c.Method, c.MethodName, c.Valid)
		writeDefects(w, "  ", c.Defects)
	case HeaderSupported, HeaderRequire, HeaderProxyRequire:
		l := h.Tags()
		for t := l.Next(); t != nil; t = l.Next() {
			fmt.Fprintf(w, " %q", t)
		}
		w.WriteString("\n")
		writeDefects(w, "  ", l.Defects)
	default:
		if limits[h.ID] > 0 {
			n := ParseDelta(h.Value)
			fmt.Fprintf(w, " %d valid %v\n", n.N, n.Valid)
			return
		}
		fmt.Fprintf(w, " %q\n", h.Value)
	}
}

func printNumber(name string, n NumParam) string {
	switch {
	case !n.Present:
		return ""
	case !n.HasValue:
		return ";" + name
	case !n.Valid:
		return fmt.Sprintf(";%s=(bad %d)", name, n.N)
	}
	return fmt.Sprintf(";%s=%d", name, n.N)
}

func printHost(host []byte, ipv6, hasPort bool, port uint16) string {
	s := string(host)
	if ipv6 {
		s = "[" + s + "]"
	}
	if hasPort {
		s += fmt.Sprintf(":%d", port)
	}
	return s
}

// printVia prints the parsed parts of v, as a via-parm if v has no defects.
func printVia(v *Via) string {
	s := fmt.Sprintf("SIP/%s/%s %s", v.Version, v.TransportName, printHost(v.Host, v.IPv6, v.HasPort, v.Port))
	if v.HasBranch {
		s += fmt.Sprintf(";branch=%s", quoteIfNeeded(v.Branch))
	}
	if v.HasReceived {
		s += fmt.Sprintf(";received=%s", quoteIfNeeded(v.Received))
	}
	if v.MAddr != nil {
		s += fmt.Sprintf(";maddr=%s", quoteIfNeeded(v.MAddr))
	}
	s += printNumber("rport", v.RPort) + printNumber("keep", v.Keep) + printNumber("ttl", v.TTL)
	for _, flag := range []struct {
		set  bool
		name string
	}{{v.Alias, ";alias"}, {v.Persistent, ";persistent"}, {v.OB, ";ob"}} {
		if flag.set {
			s += flag.name
		}
	}
	return s
}

// quoteIfNeeded puts a value that is not a token, host or address in quotes.
// Its escapes are still in it.
func quoteIfNeeded(b []byte) string {
	if len(b) > 0 && run(b, 0, classValue) == len(b) {
		return string(b)
	}
	return `"` + string(b) + `"`
}

// printAddress prints the parsed parts of a, as a name-addr with parameters if a
// has no defects.
func printAddress(a *Address) string {
	s := ""
	if a.DisplayName != nil {
		s = `"` + string(a.DisplayName) + `" `
	}
	switch {
	case a.Wildcard:
		return "*"
	case a.Scheme == SchemeSIP || a.Scheme == SchemeSIPS:
		s += "<" + string(a.SchemeName) + ":"
		if a.User != nil {
			s += string(a.User) + "@"
		}
		s += printHost(a.Host, a.IPv6, a.HasPort, a.Port) + string(a.URIParams)
		if a.URIHeaders != nil {
			s += "?" + string(a.URIHeaders)
		}
		s += ">"
	default:
		s += "<" + string(a.URI) + ">"
	}
	if a.Tag != nil {
		s += ";tag=" + quoteIfNeeded(a.Tag)
	}
	if a.Instance != nil {
		s += `;+sip.instance="<` + string(a.Instance) + `>"`
	}
	return s + printNumber("expires", a.Expires) + printNumber("reg-id", a.RegID)
}

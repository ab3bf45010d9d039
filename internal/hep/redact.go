// SPDX-License-Identifier: Apache-2.0

package hep

import "bytes"

// secret are header fields that prove who somebody is. What they say is of no
// use to a trace, and of use to whoever reads one.
var secret = [][]byte{[]byte("authorization"), []byte("proxy-authorization")}

// hidden stands for it.
const hidden = "(hidden)"

// Redact appends a message's head to b, without the values of its credentials:
// Authorization and Proxy-Authorization (RFC 3261 sections 20.7, 20.28), with
// their continuation lines (section 7.3.1).
func Redact(b, head []byte) []byte {
	hiding := false
	for line := range bytes.Lines(head) {
		text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		end := line[len(text):]
		folded := len(text) > 0 && (text[0] == ' ' || text[0] == '\t')
		switch {
		case folded && hiding:
			continue
		case isSecret(text):
			hiding = true
			b = append(b, text[:bytes.IndexByte(text, ':')+1]...)
			b = append(b, ' ')
			b = append(b, hidden...)
			b = append(b, end...)
		default:
			hiding = false
			b = append(b, line...)
		}
	}
	return b
}

func isSecret(line []byte) bool {
	if len(line) == 0 || line[0]|0x20 != 'a' && line[0]|0x20 != 'p' { // most lines
		return false
	}
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return false
	}
	name = bytes.TrimRight(name, " \t")
	for _, s := range secret {
		if bytes.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// head returns a message up to its blank line, all of it if it has none.
func head(message []byte) []byte {
	if i := bytes.Index(message, []byte("\r\n\r\n")); i >= 0 {
		return message[:i+4]
	}
	if i := bytes.Index(message, []byte("\n\n")); i >= 0 {
		return message[:i+2]
	}
	return message
}

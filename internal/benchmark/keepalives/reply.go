// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
)

// accept is the answer of a peer to a REGISTER: the request's header fields, and
// how often it wants keep-alives.
func accept(request []byte) []byte {
	head, ok := bytes.CutSuffix(request, []byte("Content-Length: 0\r\n\r\n"))
	_, head, found := bytes.Cut(head, []byte("\r\n"))
	if !ok || !found {
		return nil
	}
	answer := append([]byte("SIP/2.0 200 OK\r\n"), head...)
	answer = bytes.Replace(answer, []byte(";keep\r\n"), fmt.Appendf(nil, ";keep=%d\r\n", promised), 1)
	answer = bytes.Replace(answer, []byte("\r\nCall-ID"), []byte(";tag=t\r\nCall-ID"), 1)
	answer = bytes.Replace(answer, []byte("Max-Forwards: 70\r\n"), nil, 1)
	return append(answer, "Content-Length: 0\r\n\r\n"...)
}

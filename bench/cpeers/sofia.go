// SPDX-License-Identifier: Apache-2.0

//go:build cpeers

package cpeers

/*
#cgo pkg-config: sofia-sip-ua
#include <sofia-sip/msg.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

static int sofia_parse(const char *data, size_t len, long n) {
	int vias = 0;
	for (long i = 0; i < n; i++) {
		msg_t *m = msg_make(sip_default_mclass(), 0, data, (ssize_t)len);
		if (!m)
			return -1;
		vias = 0;
		for (sip_via_t *v = sip_object(m)->sip_via; v; v = v->v_next)
			vias++;
		msg_destroy(m);
	}
	return vias;
}
*/
import "C"

import "unsafe"

// Sofia parses msg with sofia-sip, which reads every header field it knows.
func Sofia(msg []byte, n int) int {
	return int(C.sofia_parse((*C.char)(unsafe.Pointer(&msg[0])), C.size_t(len(msg)), C.long(n)))
}

// SPDX-License-Identifier: Apache-2.0

//go:build cpeers

package cpeers

/*
#cgo pkg-config: libosip2
#include <osipparser2/osip_parser.h>
#include <osipparser2/osip_message.h>

static int osip_parse(const char *data, size_t len, long n) {
	int vias = 0;
	parser_init();
	for (long i = 0; i < n; i++) {
		osip_message_t *m;
		if (osip_message_init(&m) != 0)
			return -1;
		if (osip_message_parse(m, data, len) != 0) {
			osip_message_free(m);
			return -1;
		}
		vias = osip_list_size(&m->vias);
		osip_message_free(m);
	}
	return vias;
}
*/
import "C"

import "unsafe"

// OSIP parses msg with libosip2, which reads every header field it knows.
func OSIP(msg []byte, n int) int {
	return int(C.osip_parse((*C.char)(unsafe.Pointer(&msg[0])), C.size_t(len(msg)), C.long(n)))
}

// SPDX-License-Identifier: Apache-2.0

//go:build cpeers

package cpeers

/*
#cgo pkg-config: libre
#cgo CFLAGS: -DHAVE_STDINT_H -DHAVE_STDBOOL_H -DHAVE_INET6
#include <stdbool.h>
#include <stdint.h>
#include <re/re.h>

static bool count_via(const struct sip_hdr *hdr, const struct sip_msg *msg, void *arg) {
	struct sip_via via;
	int *vias = arg;
	(void)msg;
	if (sip_via_decode(&via, &hdr->val) == 0)
		(*vias)++;
	return false;
}

static int re_parse(const char *data, size_t len, long n) {
	int vias = 0;
	struct mbuf *mb = mbuf_alloc(len);
	if (!mb || mbuf_write_mem(mb, (const uint8_t *)data, len) != 0)
		return -1;
	for (long i = 0; i < n; i++) {
		struct sip_msg *msg = NULL;
		mb->pos = 0;
		if (sip_msg_decode(&msg, mb) != 0) {
			mem_deref(mb);
			return -1;
		}
		vias = 0;
		sip_msg_hdr_apply(msg, true, SIP_HDR_VIA, count_via, &vias);
		mem_deref(msg);
	}
	mem_deref(mb);
	return vias;
}
*/
import "C"

import "unsafe"

// Re parses msg with libre, and then the Via values, of which libre itself
// reads the first alone.
func Re(msg []byte, n int) int {
	return int(C.re_parse((*C.char)(unsafe.Pointer(&msg[0])), C.size_t(len(msg)), C.long(n)))
}

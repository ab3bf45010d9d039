/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Is this SIP? Decided on the first bytes of a stream or datagram: a status
 * line ("SIP/2.0 ") or a method token, one space and a URI scheme that SIP
 * requests carry. CRLFs before it are keep-alives (RFC 3261 section 7.5).
 */
#ifndef VIADUCT_SNIFF_H
#define VIADUCT_SNIFF_H

#define SNIFF_BYTES 64

enum sniffed {
	SNIFFED_NOT_SIP,
	SNIFFED_SIP,
	SNIFFED_TLS,
	SNIFFED_MORE, /* nothing speaks against SIP yet */
};

/* Two double CRLFs: more keep-alives than that before any SIP we do not expect. */
#define SNIFF_LEADING_MAX 8

/*
 * The mask is for the verifier of 6.1 ("unbounded memory access"), which does
 * not follow the bounds through clang's loops; the asm keeps clang from seeing
 * that it is not needed.
 */
static __always_inline __u8 sniff_at(const __u8 *bytes, __u32 at)
{
	asm volatile("" : "+r"(at));
	return bytes[at & (SNIFF_BYTES - 1)];
}

/* Four bytes, lower case, the last in the lowest byte. */
static __always_inline __u32 sniff_word(const __u8 *bytes, __u32 at)
{
	return ((__u32)sniff_at(bytes, at) << 24 | (__u32)sniff_at(bytes, at + 1) << 16 |
		(__u32)sniff_at(bytes, at + 2) << 8 | sniff_at(bytes, at + 3)) | 0x20202020;
}

#define SNIFF_WORD(a, b, c, d) ((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d) | 0x20202020)

/* sip: sips: tel: urn: pres: im: */
static __always_inline enum sniffed sniff_scheme(const __u8 *bytes, __u32 at, __u32 length)
{
	__u32 word;

	if (at + 5 > SNIFF_BYTES)
		return SNIFFED_NOT_SIP;
	if (at + 5 > length)
		return SNIFFED_MORE;
	word = sniff_word(bytes, at);
	if (word == SNIFF_WORD('s', 'i', 'p', ':') || word == SNIFF_WORD('t', 'e', 'l', ':') ||
	    word == SNIFF_WORD('u', 'r', 'n', ':'))
		return SNIFFED_SIP;
	if (sniff_at(bytes, at + 4) == ':' &&
	    (word == SNIFF_WORD('s', 'i', 'p', 's') || word == SNIFF_WORD('p', 'r', 'e', 's')))
		return SNIFFED_SIP;
	if (word >> 8 == SNIFF_WORD(0, 'i', 'm', ':') % 0x1000000)
		return SNIFFED_SIP;
	return SNIFFED_NOT_SIP;
}

struct sniff_bytes {
	__u8 bytes[SNIFF_BYTES];
};

/*
 * Global, so that the verifier checks it once and not at every call; there it
 * follows the loops for each value of their counters apart, so nothing else
 * lives across iterations (with more, 6.18 passed its limit of 1,000,000
 * instructions). It cannot know that no caller passes NULL.
 */
__noinline int sniff(const struct sniff_bytes *from, __u32 length)
{
	const __u8 *bytes;
	__u32 start = 0;

	if (!from)
		return SNIFFED_NOT_SIP;
	bytes = from->bytes;
	if (length >= 2 && bytes[0] == 0x16 && bytes[1] == 0x03)
		return SNIFFED_TLS;
	for (; start < SNIFF_LEADING_MAX; start++) {
		if (start >= length)
			return SNIFFED_MORE;
		if (sniff_at(bytes, start) != '\r' && sniff_at(bytes, start) != '\n')
			break;
	}
	for (__u32 i = start; i < SNIFF_BYTES; i++) {
		__u8 c = sniff_at(bytes, i);

		if (i >= length)
			return SNIFFED_MORE;
		if (c == ' ') {
			if (i == start)
				return SNIFFED_NOT_SIP;
			if (i == start + 7 && sniff_word(bytes, start) == SNIFF_WORD('S', 'I', 'P', '/') &&
			    sniff_at(bytes, start + 4) == '2' && sniff_at(bytes, start + 5) == '.' &&
			    sniff_at(bytes, start + 6) == '0')
				return SNIFFED_SIP;
			return sniff_scheme(bytes, i + 1, length);
		}
		if (c < ' ' || c >= 0x7f)
			return SNIFFED_NOT_SIP;
	}
	return SNIFFED_MORE;
}

#endif

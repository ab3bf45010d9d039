// SPDX-License-Identifier: Apache-2.0
/*
 * A SIP client on Mbed TLS 2 or 3, for tests: sends requests as tlspeer does, on
 * connections side by side, and waits for the answer to each.
 *
 *	mbedpeer ADDRESS PORT CONNECTIONS MESSAGES BODY-BYTES CIPHER-SUITE
 */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_MAJOR >= 3 /* whose TLS 1.3 wants it */
#include <psa/crypto.h>
#else
#define psa_crypto_init() 0
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *address, *port;
static int connections, messages, body_bytes;
static int suites[2];

static void die(const char *what, int error)
{
	fprintf(stderr, "mbedpeer: %s: -0x%04x\n", what, -error);
	exit(1);
}

static void must(const char *what, int result)
{
	if (result < 0)
		die(what, result);
}

struct peer {
	mbedtls_net_context net;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
};

static void dial(struct peer *p)
{
	mbedtls_net_init(&p->net);
	mbedtls_ssl_init(&p->ssl);
	mbedtls_ssl_config_init(&p->config);
	mbedtls_entropy_init(&p->entropy);
	mbedtls_ctr_drbg_init(&p->random);
	must("seed", mbedtls_ctr_drbg_seed(&p->random, mbedtls_entropy_func, &p->entropy, NULL, 0));
	must("connect", mbedtls_net_connect(&p->net, address, port, MBEDTLS_NET_PROTO_TCP));
	must("configure", mbedtls_ssl_config_defaults(&p->config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
						      MBEDTLS_SSL_PRESET_DEFAULT));
	mbedtls_ssl_conf_authmode(&p->config, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_rng(&p->config, mbedtls_ctr_drbg_random, &p->random);
	mbedtls_ssl_conf_ciphersuites(&p->config, suites);
#if MBEDTLS_VERSION_MAJOR >= 3
	if (suites[0] >> 8 != 0x13) /* those of TLS 1.3 */
		mbedtls_ssl_conf_max_tls_version(&p->config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
	must("set up", mbedtls_ssl_setup(&p->ssl, &p->config));
	mbedtls_ssl_set_bio(&p->ssl, &p->net, mbedtls_net_send, mbedtls_net_recv, NULL);
	must("handshake", mbedtls_ssl_handshake(&p->ssl));
}

static void hang_up(struct peer *p)
{
	mbedtls_ssl_close_notify(&p->ssl);
	mbedtls_net_free(&p->net);
	mbedtls_ssl_free(&p->ssl);
	mbedtls_ssl_config_free(&p->config);
	mbedtls_ctr_drbg_free(&p->random);
	mbedtls_entropy_free(&p->entropy);
}

static void ask(struct peer *p, int connection, int n)
{
	char *bytes = malloc(body_bytes + 4096), answer[4096];
	int length = sprintf(bytes,
		"OPTIONS sip:server@example.com SIP/2.0\r\n"
		"Via: SIP/2.0/TLS client.example.com;branch=z9hG4bK%d.%d.%d\r\n"
		"From: <sip:c%d@example.com>;tag=c%d\r\nTo: <sip:server@example.com>\r\n"
		"Call-ID: c%d-mbed-p%d@example.com\r\nCSeq: %d OPTIONS\r\nMax-Forwards: 70\r\n"
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		(int)getpid(), connection, n, connection, connection, connection, (int)getpid(), n, body_bytes);

	memset(bytes + length, 'x', body_bytes);
	length += body_bytes;
	for (int done = 0, sent; done < length; done += sent) {
		sent = mbedtls_ssl_write(&p->ssl, (unsigned char *)bytes + done, length - done);
		must("write", sent);
	}
	free(bytes);
	for (int have = 0, got; have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4); have += got) {
		got = mbedtls_ssl_read(&p->ssl, (unsigned char *)answer + have, sizeof(answer) - have);
		must("read", got);
		if (got == 0)
			die("read: the server has closed", 0);
	}
}

static void *converse(void *number)
{
	struct peer *p = malloc(sizeof(*p));
	int connection = (int)(long)number;

	dial(p);
	for (int n = 1; n <= messages; n++)
		ask(p, connection, n);
	hang_up(p);
	free(p);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[256];
	struct peer scout;

	if (argc != 7 || atoi(argv[3]) > 256) {
		fprintf(stderr, "usage: mbedpeer ADDRESS PORT CONNECTIONS MESSAGES BODY-BYTES CIPHER-SUITE\n");
		return 2;
	}
	address = argv[1], port = argv[2], connections = atoi(argv[3]), messages = atoi(argv[4]), body_bytes = atoi(argv[5]);
	suites[0] = mbedtls_ssl_get_ciphersuite_id(argv[6]);
	if (!suites[0])
		die("no such cipher suite", 0);
	must("set up cryptography", psa_crypto_init());
	/* A first connection, until whoever wants to look on has closed our input. */
	dial(&scout);
	while (getchar() != EOF)
		;
	hang_up(&scout);
	for (long i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, converse, (void *)i))
			die("start a thread", 0);
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * A SIP client on GnuTLS, for tests: sends requests as tlspeer does, on
 * connections side by side, and waits for the answer to each.
 *
 *	gnutlspeer ADDRESS PORT CONNECTIONS MESSAGES BODY-BYTES PRIORITY [SWITCH...]
 *
 *	cork    give each message in two parts, sent at once by uncorking
 *	again   a small send buffer that does not block: repeat calls as they were
 *	null    the same, and repeat them without saying what was to be sent
 *	packet  take what is received as the library's packets
 *	bye     send a closure alert at the end
 *	own     move encrypted bytes by functions of its own
 *	parts   the same, several records at a time
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *address, *priority;
static int port, connections, messages, body_bytes;
static bool cork, again, null, packet, bye, own, parts;
static gnutls_certificate_credentials_t credentials;

static void die(const char *what)
{
	fprintf(stderr, "gnutlspeer: %s\n", what);
	exit(1);
}

static void must(const char *what, long result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "gnutlspeer: %s: %s\n", what, gnutls_strerror((int)result));
	exit(1);
}

/* What a program does that has a proxy, or a loop of its own, below TLS. */
static ssize_t push(gnutls_transport_ptr_t socket, const void *bytes, size_t length)
{
	return write((int)(long)socket, bytes, length);
}

static ssize_t push_parts(gnutls_transport_ptr_t socket, const giovec_t *some, int count)
{
	return writev((int)(long)socket, (const struct iovec *)some, count);
}

static ssize_t pull(gnutls_transport_ptr_t socket, void *bytes, size_t room)
{
	return read((int)(long)socket, bytes, room);
}

struct peer {
	int socket;
	gnutls_session_t session;
};

static void dial(struct peer *p)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int result, small = 4096;

	inet_pton(AF_INET, address, &to.sin_addr);
	p->socket = socket(AF_INET, SOCK_STREAM, 0);
	if (again)
		setsockopt(p->socket, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	if (connect(p->socket, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	must("set up", gnutls_init(&p->session, GNUTLS_CLIENT));
	must("set the priority", gnutls_priority_set_direct(p->session, priority, NULL));
	must("set the credentials", gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE, credentials));
	gnutls_transport_set_int(p->session, p->socket);
	if (own)
		gnutls_transport_set_push_function(p->session, push);
	if (parts)
		gnutls_transport_set_vec_push_function(p->session, push_parts);
	if (own || parts)
		gnutls_transport_set_pull_function(p->session, pull);
	do
		result = gnutls_handshake(p->session);
	while (result < 0 && !gnutls_error_is_fatal(result));
	must("handshake", result);
	if (again)
		fcntl(p->socket, F_SETFL, fcntl(p->socket, F_GETFL) | O_NONBLOCK);
}

static void hang_up(struct peer *p)
{
	if (bye)
		gnutls_bye(p->session, GNUTLS_SHUT_WR);
	close(p->socket);
	gnutls_deinit(p->session);
}

static void wait_for(struct peer *p, short what)
{
	struct pollfd poll_for = { .fd = p->socket, .events = what };

	if (poll(&poll_for, 1, 5000) != 1)
		die("nothing happens on the connection");
}

static long write_some(struct peer *p, const char *bytes, long length)
{
	long sent = gnutls_record_send(p->session, bytes, length);

	while (sent == GNUTLS_E_AGAIN) {
		wait_for(p, POLLOUT);
		sent = null ? gnutls_record_send(p->session, NULL, 0) : gnutls_record_send(p->session, bytes, length);
	}
	must("send", sent);
	return sent;
}

static void write_all(struct peer *p, const char *bytes, long length)
{
	for (long done = 0; done < length;)
		done += write_some(p, bytes + done, length - done);
}

static long read_some(struct peer *p, char *bytes, long room)
{
	gnutls_packet_t got;
	gnutls_datum_t data;
	long length;

	for (;;) {
		length = packet ? gnutls_record_recv_packet(p->session, &got) : gnutls_record_recv(p->session, bytes, room);
		if (length != GNUTLS_E_AGAIN)
			break;
		wait_for(p, POLLIN);
	}
	must("receive", length);
	if (length == 0)
		die("the server has closed");
	if (packet) {
		gnutls_packet_get(got, &data, NULL);
		memcpy(bytes, data.data, data.size);
		gnutls_packet_deinit(got);
	}
	return length;
}

static void ask(struct peer *p, int connection, int n)
{
	char *bytes = malloc(body_bytes + 4096), answer[20000];
	int length = sprintf(bytes,
		"OPTIONS sip:server@example.com SIP/2.0\r\n"
		"Via: SIP/2.0/TLS client.example.com;branch=z9hG4bK%d.%d.%d\r\n"
		"From: <sip:c%d@example.com>;tag=c%d\r\nTo: <sip:server@example.com>\r\n"
		"Call-ID: c%d-gnutls-p%d@example.com\r\nCSeq: %d OPTIONS\r\nMax-Forwards: 70\r\n"
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		(int)getpid(), connection, n, connection, connection, connection, (int)getpid(), n, body_bytes);

	memset(bytes + length, 'x', body_bytes);
	length += body_bytes;
	if (cork) {
		gnutls_record_cork(p->session);
		write_all(p, bytes, length / 2);
		write_all(p, bytes + length / 2, length - length / 2);
		must("uncork", gnutls_record_uncork(p->session, GNUTLS_RECORD_WAIT));
	} else {
		write_all(p, bytes, length);
	}
	free(bytes);
	for (long have = 0; have < 4 || memcmp(answer + have - 4, "\r\n\r\n", 4);)
		have += read_some(p, answer + have, sizeof(answer) - have);
}

static void *converse(void *number)
{
	struct peer p;

	dial(&p);
	for (int n = 1; n <= messages; n++)
		ask(&p, (int)(long)number, n);
	hang_up(&p);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[256];
	struct peer scout;

	if (argc < 7 || atoi(argv[3]) > 256) {
		fprintf(stderr, "usage: gnutlspeer ADDRESS PORT CONNECTIONS MESSAGES BODY-BYTES PRIORITY [SWITCH...]\n");
		return 2;
	}
	address = argv[1], port = atoi(argv[2]), connections = atoi(argv[3]), messages = atoi(argv[4]);
	body_bytes = atoi(argv[5]), priority = argv[6];
	for (int i = 7; i < argc; i++) {
		cork |= !strcmp(argv[i], "cork");
		null |= !strcmp(argv[i], "null");
		again |= !strcmp(argv[i], "again") || !strcmp(argv[i], "null");
		packet |= !strcmp(argv[i], "packet");
		bye |= !strcmp(argv[i], "bye");
		own |= !strcmp(argv[i], "own");
		parts |= !strcmp(argv[i], "parts");
	}
	must("set up credentials", gnutls_certificate_allocate_credentials(&credentials));
	/* A first connection, until whoever wants to look on has closed our input; and another for each line. */
	dial(&scout);
	for (int c; (c = getchar()) != EOF;) {
		if (c != '\n')
			continue;
		hang_up(&scout);
		dial(&scout);
	}
	hang_up(&scout);
	for (long i = 0; i < connections; i++)
		if (pthread_create(&threads[i], NULL, converse, (void *)i))
			die("start a thread");
	for (int i = 0; i < connections; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

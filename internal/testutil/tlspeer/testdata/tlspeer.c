// SPDX-License-Identifier: Apache-2.0
/*
 * A SIP client and server on libssl, for tests: what a real program does with
 * the library, each way of doing it by a switch. Every request has a Call-ID of
 * its own, and a server answers with what it was asked, so that whoever looks on
 * can say which message was on which connection.
 *
 *	tlspeer server ADDRESS PORT CERTIFICATE KEY [switches]
 *	tlspeer client ADDRESS PORT [switches]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
	int connections, messages, workers, size, version, wait_ms, linger_ms;
	int memory;   /* the library reads and writes memory, we move the bytes */
	int trickle;  /* encrypted bytes go out and come in by the handful */
	int sip_read; /* bytes asked for at a time */
	int partial;  /* the library may write a part */
	int ex;       /* SSL_read_ex and SSL_write_ex; 2: SSL_write_ex2, where there is one */
	int ahead;    /* the library reads ahead */
	int rekey;    /* a key update or renegotiation every so many messages */
	int resume;   /* the session of the first connection is used for the others */
	int plain;    /* no TLS at all */
	int script;   /* registers, pings, is quiet, says goodbye */
	int secret;   /* an Authorization header in each request */
	int scout_ms; /* a first connection, and so long until the others, for whoever wants to look on */
	int begin;    /* the same, until whoever wants to look on has closed our input */
} opt = { .connections = 1, .messages = 1, .workers = 1, .size = 0, .sip_read = 16384 };

static SSL_CTX *context;
static struct sockaddr_storage address;
static socklen_t address_length;
static SSL_SESSION *session;
static _Atomic long exchanged;
static pthread_mutex_t dialling = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t dialled;

static void die(const char *what)
{
	fprintf(stderr, "tlspeer: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

struct peer {
	int fd;
	SSL *ssl;
	BIO *in, *out; /* in memory */
	char at[80]; /* our address and port */
	char have[1 << 17];
	int length;
};

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, 20000) <= 0)
		die("wait for the other side");
}

static void send_all(int fd, const char *bytes, int length)
{
	while (length > 0) {
		int part = opt.trickle && length > 700 ? 700 : length;
		int n = send(fd, bytes, part, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			wait_for(fd, POLLOUT);
			continue;
		}
		if (n <= 0)
			return; /* the next read says so */
		bytes += n;
		length -= n;
	}
}

/* Moves what the library wrote to memory. */
static void flush(struct peer *p)
{
	char buffer[32768];
	int n;

	while (p->out && (n = BIO_read(p->out, buffer, sizeof(buffer))) > 0)
		send_all(p->fd, buffer, n);
}

/* Returns 0 at the end of the stream. */
static int fill(struct peer *p)
{
	char buffer[32768];
	int n;

	wait_for(p->fd, POLLIN);
	if (!p->in)
		return 1;
	n = recv(p->fd, buffer, opt.trickle ? 601 : sizeof(buffer), 0);
	if (n < 0 && errno == EAGAIN)
		return 1;
	if (n <= 0)
		return 0;
	if (BIO_write(p->in, buffer, n) != n)
		die("write to memory");
	return 1;
}

/* Whether the call that gave result is to be made again; dies of errors. */
static int again(struct peer *p, int result)
{
	int error = SSL_get_error(p->ssl, result);

	flush(p);
	if (error == SSL_ERROR_WANT_READ)
		return fill(p) ? 1 : -1;
	if (error == SSL_ERROR_WANT_WRITE) {
		wait_for(p->fd, POLLOUT);
		return 1;
	}
	return -1;
}

/* SSL_write_ex or, from 3.3 on, the function that it is now made of. */
static int write_ex(struct peer *p, const char *bytes, int length, size_t *moved)
{
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
	if (opt.ex == 2)
		return SSL_write_ex2(p->ssl, bytes, length, 0, moved);
#endif
	return SSL_write_ex(p->ssl, bytes, length, moved);
}

static void put(struct peer *p, const char *bytes, int length)
{
	if (opt.plain) {
		send_all(p->fd, bytes, length);
		return;
	}
	while (length > 0) {
		size_t moved = 0;
		int n;

		if (opt.ex) {
			n = write_ex(p, bytes, length, &moved);
		} else {
			n = SSL_write(p->ssl, bytes, length);
			moved = n > 0 ? n : 0;
		}
		if (n <= 0) {
			if (again(p, n) < 0)
				return; /* the next read says so */
			continue;
		}
		flush(p);
		bytes += moved;
		length -= moved;
	}
}

/* Returns how many bytes there are more, 0 at the end. */
static int more(struct peer *p)
{
	int room = sizeof(p->have) - 1 - p->length;
	int ask = opt.sip_read < room ? opt.sip_read : room;

	for (;;) {
		size_t moved = 0;
		int n;

		if (opt.plain) {
			wait_for(p->fd, POLLIN);
			n = recv(p->fd, p->have + p->length, ask, 0);
			if (n < 0 && errno == EAGAIN)
				continue;
			moved = n > 0 ? n : 0;
		} else if (opt.ex) {
			n = SSL_read_ex(p->ssl, p->have + p->length, ask, &moved);
		} else {
			n = SSL_read(p->ssl, p->have + p->length, ask);
			moved = n > 0 ? n : 0;
		}
		if (n > 0) {
			p->length += moved;
			p->have[p->length] = 0;
			return moved;
		}
		if (opt.plain || again(p, n) < 0)
			return 0;
	}
}

/* The length of the message in p->have, read to its end; 0 if there is none any more. */
static int message(struct peer *p)
{
	for (;;) {
		char *end = strstr(p->have, "\r\n\r\n"), *length;

		if (p->length >= 4 && end == p->have) { /* a ping */
			if (p->length >= 4)
				return 4;
		} else if (p->length >= 2 && !strncmp(p->have, "\r\n", 2) && (p->length == 2 || p->have[2] != '\r')) {
			return 2;
		} else if (end) {
			int all;

			length = strcasestr(p->have, "Content-Length:");
			if (!length)
				die("a message without Content-Length");
			all = end + 4 - p->have + atoi(length + 15);
			if (all >= (int)sizeof(p->have))
				die("a message that is too long");
			while (p->length < all)
				if (!more(p))
					return 0;
			return all;
		}
		if (!more(p))
			return 0;
	}
}

static void used(struct peer *p, int n)
{
	memmove(p->have, p->have + n, p->length - n + 1);
	p->length -= n;
}

static void name(struct peer *p)
{
	struct sockaddr_storage own;
	socklen_t length = sizeof(own);
	char host[64];

	if (getsockname(p->fd, (struct sockaddr *)&own, &length) ||
	    getnameinfo((struct sockaddr *)&own, length, host, sizeof(host), p->at + 70, 8, NI_NUMERICHOST | NI_NUMERICSERV))
		die("find the own address");
	snprintf(p->at, 70, own.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, p->at + 70);
}

static void setup(struct peer *p, int fd)
{
	int one = 1;

	memset(p, 0, sizeof(*p));
	p->fd = fd;
	name(p);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (opt.trickle) {
		int small = 4096;

		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (opt.plain)
		return;
	p->ssl = SSL_new(context);
	if (opt.memory) {
		p->in = BIO_new(BIO_s_mem());
		p->out = BIO_new(BIO_s_mem());
		SSL_set_bio(p->ssl, p->in, p->out);
	} else {
		SSL_set_fd(p->ssl, fd);
	}
	SSL_set_mode(p->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (opt.partial)
		SSL_set_mode(p->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
}

static int handshake(struct peer *p)
{
	int n;

	if (opt.plain)
		return 1;
	while ((n = SSL_do_handshake(p->ssl)) <= 0)
		if (again(p, n) < 0)
			return 0;
	flush(p);
	return 1;
}

static void finish(struct peer *p)
{
	if (p->ssl) {
		SSL_shutdown(p->ssl);
		flush(p);
		SSL_free(p->ssl);
	}
	close(p->fd);
}

static void rekey(struct peer *p)
{
	if (opt.plain)
		return;
	if (SSL_version(p->ssl) == TLS1_3_VERSION) {
		SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED);
	} else {
		SSL_renegotiate(p->ssl);
		handshake(p);
	}
}

static void copy_header(char *to, const char *message, const char *name)
{
	const char *at = strstr(message, name), *end;

	if (!at)
		return;
	end = strstr(at, "\r\n");
	strncat(to, at, end + 2 - at);
}

static void answer(struct peer *p, const char *request)
{
	char response[4096] = "SIP/2.0 200 OK\r\n";

	copy_header(response, request, "Via:");
	copy_header(response, request, "From:");
	copy_header(response, request, "To:");
	strcpy(response + strlen(response) - 2, ";tag=there\r\n");
	copy_header(response, request, "Call-ID:");
	copy_header(response, request, "CSeq:");
	copy_header(response, request, "Contact:");
	strcat(response, "Content-Length: 0\r\n\r\n");
	put(p, response, strlen(response));
}

/* Leaves the first FIN to the client. */
static void wait_for_end(struct peer *p)
{
	char byte;

	do
		wait_for(p->fd, POLLIN);
	while (recv(p->fd, &byte, 1, 0) > 0);
}

static void *serve(void *fd)
{
	struct peer *p = malloc(sizeof(*p));
	int n, served = 0;

	setup(p, (long)fd);
	if (!opt.plain)
		SSL_set_accept_state(p->ssl);
	if (handshake(p)) {
		while ((n = message(p)) > 0) {
			char *request = strndup(p->have, n);

			used(p, n);
			if (n == 4)
				put(p, "\r\n", 2);
			else if (n > 4)
				answer(p, request);
			free(request);
			if (opt.rekey && ++served % opt.rekey == 0)
				rekey(p);
		}
		wait_for_end(p);
	}
	finish(p);
	free(p);
	return NULL;
}

static void server(const char *certificate, const char *key)
{
	int one = 1, fd = socket(address.ss_family, SOCK_STREAM, 0);

	context = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"tlspeer", 7);
	if (!opt.plain && (SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1))
		die("read the certificate");
#ifdef SSL_OP_ALLOW_CLIENT_RENEGOTIATION /* before 3.0 it is allowed */
	SSL_CTX_set_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
#endif
	if (opt.ahead)
		SSL_CTX_set_read_ahead(context, 1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, address_length) || listen(fd, 128))
		die("listen");
	/* Processes that accept beside each other, as SIP servers have them. */
	for (int i = 1; i < opt.workers; i++)
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		pthread_t thread;
		long accepted = accept(fd, NULL, NULL);

		if (accepted < 0)
			die("accept");
		if (pthread_create(&thread, NULL, serve, (void *)accepted))
			die("begin a thread");
		pthread_detach(thread);
	}
}

static int padding(unsigned *seed)
{
	return opt.size ? opt.size : rand_r(seed) % 900;
}

static void request(struct peer *p, const char *method, int connection, int n, unsigned *seed)
{
	int body = padding(seed);
	char *bytes = malloc(body + 4096);
	int length = sprintf(bytes,
		"%s sip:server@example.com SIP/2.0\r\n"
		"Via: SIP/2.0/%s %s;branch=z9hG4bK%d.%d.%d\r\n"
		"From: <sip:c%d@example.com>;tag=c%d\r\nTo: <sip:%s@example.com>\r\n"
		"Call-ID: c%d-%s-p%d@example.com\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n"
		"%s%s"
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		method, opt.plain ? "TCP" : "TLS", p->at, (int)getpid(), connection, n, connection, connection,
		opt.script ? "c0" : "server", connection, opt.script ? "script" : "load", (int)getpid(), n, method,
		!opt.script ? "" : n == 3 ? "Contact: <sip:c0@client.example.com>;expires=0\r\n" :
			"Contact: <sip:c0@client.example.com>;expires=3600\r\n",
		opt.secret ? "Authorization: Digest username=\"c\", realm=\"example.com\", nonce=\"abc\", response=\"hunter2secretworthkeeping\"\r\n" : "",
		body);

	for (int i = 0; i < body; i++)
		bytes[length++] = opt.secret ? "bodyworthkeeping"[i % 16] : 'a' + rand_r(seed) % 26;
	put(p, bytes, length);
	free(bytes);
}

static void response(struct peer *p)
{
	int n = message(p);

	if (n <= 0)
		die("the server closed the connection");
	used(p, n);
	exchanged++;
}

static struct peer *dial(void)
{
	struct peer *p = malloc(sizeof(*p));
	int fd = socket(address.ss_family, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&address, address_length))
		die("connect");
	setup(p, fd);
	if (!opt.plain) {
		SSL_set_connect_state(p->ssl);
		SSL_set_tlsext_host_name(p->ssl, "server.example.com");
		if (opt.resume && session)
			SSL_set_session(p->ssl, session);
	}
	if (!handshake(p))
		die("the handshake");
	return p;
}

static void pause_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* A registration with keep-alives, for comparing TCP with TLS. */
static void script(void)
{
	struct peer *p = dial();
	unsigned seed = 1;

	request(p, "REGISTER", 0, 1, &seed);
	response(p);
	for (int i = 0; i < 3; i++) {
		put(p, "\r\n\r\n", 4);
		response(p);
	}
	request(p, "OPTIONS", 0, 2, &seed);
	response(p);
	request(p, "REGISTER", 0, 3, &seed);
	response(p);
	finish(p);
}

static void *work(void *number)
{
	int me = (long)number, mine = 0;
	unsigned seed = me + 1;
	struct peer **peers = calloc(opt.connections, sizeof(*peers));
	int *left = calloc(opt.connections, sizeof(*left));

	/* One handshake at a time, and no message before the last: Kamailio 5.6 with
	 * OpenSSL 3 fails some of those that its processes do at the same time. */
	for (int i = me; i < opt.connections; i += opt.workers) {
		pthread_mutex_lock(&dialling);
		peers[mine] = dial();
		pthread_mutex_unlock(&dialling);
		left[mine++] = opt.messages;
	}
	pthread_barrier_wait(&dialled);
	for (int live = mine; live > 0;) {
		int i = rand_r(&seed) % mine;

		if (!left[i])
			continue;
		request(peers[i], "OPTIONS", me + i * opt.workers, opt.messages - left[i] + 1, &seed);
		response(peers[i]);
		if (opt.rekey && left[i] % opt.rekey == 0)
			rekey(peers[i]);
		if (!--left[i])
			live--;
		if (opt.wait_ms)
			pause_ms(opt.wait_ms);
	}
	pause_ms(opt.linger_ms);
	for (int i = 0; i < mine; i++)
		finish(peers[i]);
	return NULL;
}

static void client(void)
{
	struct timespec began, ended;
	pthread_t threads[256];

	context = SSL_CTX_new(TLS_client_method());
	if (opt.version == 2)
		SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	if (opt.version == 3)
		SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	if (opt.ahead)
		SSL_CTX_set_read_ahead(context, 1);
	if (opt.begin) {
		dial();
		while (getchar() != EOF)
			;
	}
	if (opt.resume) {
		struct peer *p = dial();
		unsigned seed = 7;

		request(p, "OPTIONS", 9999, 1, &seed); /* the tickets come with the answer */
		response(p);
		session = SSL_get1_session(p->ssl);
		finish(p);
		exchanged = 0;
	}
	if (opt.scout_ms) {
		dial();
		pause_ms(opt.scout_ms);
	}
	clock_gettime(CLOCK_MONOTONIC, &began);
	pthread_barrier_init(&dialled, NULL, opt.workers);
	if (opt.script) {
		script();
	} else {
		for (long i = 0; i < opt.workers; i++)
			if (pthread_create(&threads[i], NULL, work, (void *)i))
				die("begin a thread");
		for (int i = 0; i < opt.workers; i++)
			pthread_join(threads[i], NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%ld exchanged in %.3f s\n", (long)exchanged,
	       ended.tv_sec - began.tv_sec + (ended.tv_nsec - began.tv_nsec) / 1e9);
}

static void resolve(const char *host, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		address_length = sizeof(*v4);
	} else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		address_length = sizeof(*v6);
	} else {
		die("read the address");
	}
}

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		int *value;
	} numbers[] = {
		{ "connections", &opt.connections }, { "messages", &opt.messages }, { "workers", &opt.workers },
		{ "size", &opt.size }, { "version", &opt.version }, { "wait", &opt.wait_ms },
		{ "linger", &opt.linger_ms }, { "memory", &opt.memory }, { "trickle", &opt.trickle },
		{ "read", &opt.sip_read }, { "partial", &opt.partial }, { "ex", &opt.ex }, { "ahead", &opt.ahead },
		{ "rekey", &opt.rekey }, { "resume", &opt.resume }, { "plain", &opt.plain },
		{ "scout", &opt.scout_ms }, { "begin", &opt.begin }, { "script", &opt.script }, { "secret", &opt.secret },
	};
	int is_server = argc > 1 && !strcmp(argv[1], "server");
	int first = is_server ? 6 : 4;

	if (argc < first) {
		fprintf(stderr, "usage: tlspeer server ADDRESS PORT CERTIFICATE KEY [name=number]...\n"
				"       tlspeer client ADDRESS PORT [name=number]...\n");
		return 2;
	}
	for (int i = first; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		size_t n = 0;

		for (; n < sizeof(numbers) / sizeof(*numbers); n++)
			if (value && !strncmp(argv[i], numbers[n].name, value - argv[i]) &&
			    !numbers[n].name[value - argv[i]])
				break;
		if (n == sizeof(numbers) / sizeof(*numbers)) {
			fprintf(stderr, "tlspeer: %s is no switch\n", argv[i]);
			return 2;
		}
		*numbers[n].value = atoi(value + 1);
	}
	signal(SIGPIPE, SIG_IGN);
	resolve(argv[2], atoi(argv[3]));
	if (is_server)
		server(argv[4], argv[5]);
	else
		client();
	return 0;
}

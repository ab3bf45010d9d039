//go:build ignore
/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Iterators that find sockets by their cookies, look at them, set their
 * options and end them. They run only while somebody reads them. The TCP ones
 * see the network namespace of the thread that opens them, and hold the
 * socket's lock while they run: what they check is still so when they act.
 */
#include "ends.h"
#include "stand.h"

#define SOL_SOCKET 1
#define SO_KEEPALIVE 9
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_KEEPCNT 6
#define TCP_USER_TIMEOUT 18

#define EBUSY 16
#define EBADFD 77

/* The counters of a look, or zeroes where they do not matter. */
struct moved {
	__u64 received;
	__u64 sent;
};

/*
 * The sockets that a pass is about, by cookie. Inserted and deleted: by the
 * agent, around each pass. Bound: passes of more are cut in pieces.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct moved);
} targets SEC(".maps");

/* What to set on a socket; 0 in a field leaves it. keepalive 0: only read. */
struct wish {
	__u32 keepalive;
	__u32 idle_s;
	__u32 interval_s;
	__u32 probes;
	__u32 user_timeout_ms;
	__u32 pad;
};

/* The same for passes that set options, each socket's its own. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct wish);
} wishes SEC(".maps");

struct holder {
	__u64 cookie;
	__u32 pid;
	__u32 fd;
};

struct look {
	__u64 cookie;
	struct moved moved;   /* grow with each byte, wrap around */
	__u32 queued_bytes;   /* written, and not acknowledged by the peer */
	__u32 unread_bytes;   /* received, and not read by the process */
	__u8 local[16];
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u8 state;
	__u8 pad[3];
	__s32 result;         /* of destroy: 0, or a negative error number */
	__u32 pad2;
};

struct options {
	__u64 cookie;
	__u32 keepalive; /* 0 or 1 */
	__u32 idle_s;
	__u32 interval_s;
	__u32 probes;
	__u32 user_timeout_ms;
	__s32 result; /* 0, or the first error as a negative number */
};

const struct holder *unused_holder __attribute__((unused));
const struct look *unused_look __attribute__((unused));
const struct wish *unused_wish __attribute__((unused));
const struct options *unused_options __attribute__((unused));
const struct stand *unused_stand __attribute__((unused));
const enum standing *unused_standing __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("iter/task_file")
int find_holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct holder holder = {};
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	holder.cookie = bpf_get_socket_cookie(sk);
	if (!bpf_map_lookup_elem(&targets, &holder.cookie))
		return 0;
	holder.pid = task->tgid;
	holder.fd = ctx->fd;
	bpf_seq_write(ctx->meta->seq, &holder, sizeof(holder));
	return 0;
}

/* All sockets that have a port: for who acts on many, one after the other. */
SEC("iter/task_file")
int list_holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct holder holder = {};
	struct socket *socket;
	unsigned short family;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || (sk->sk_protocol != IPPROTO_TCP && sk->sk_protocol != IPPROTO_UDP))
		return 0;
	family = sk->__sk_common.skc_family;
	if ((family != AF_INET && family != AF_INET6) || !sk->__sk_common.skc_num)
		return 0;
	holder.cookie = bpf_get_socket_cookie(sk);
	holder.pid = task->tgid;
	holder.fd = ctx->fd;
	bpf_seq_write(ctx->meta->seq, &holder, sizeof(holder));
	return 0;
}

SEC("syscall")
int read_standing(struct stand *ctx)
{
	return standing_of(ctx);
}

/*
 * An orphan is the kernel's, which is ending it; kernels before 6.11 could leave
 * one behind for good if it was destroyed then.
 */
static __always_inline bool is_orphan(const struct tcp_sock *tcp)
{
	const struct sock *sk = (const struct sock *)tcp;

	return sk->__sk_common.skc_flags >> SOCK_DEAD_BIT & 1;
}

/* Request and TIME-WAIT sockets, and those of no process, are none to act on. */
static __always_inline struct tcp_sock *owned(struct sock_common *common, __u64 *cookie)
{
	struct tcp_sock *tcp;

	if (!common)
		return NULL;
	tcp = bpf_skc_to_tcp_sock(common);
	if (!tcp || is_orphan(tcp))
		return NULL;
	*cookie = bpf_get_socket_cookie(tcp);
	return tcp;
}

static __always_inline struct tcp_sock *target(struct sock_common *common, __u64 *cookie)
{
	struct tcp_sock *tcp = owned(common, cookie);

	return tcp && bpf_map_lookup_elem(&targets, cookie) ? tcp : NULL;
}

static __always_inline void look_at(struct look *look, struct tcp_sock *tcp, __u64 cookie)
{
	struct sock *sk = (struct sock *)tcp;
	struct ends ends;

	ends_of(&ends, sk);
	look->cookie = cookie;
	look->moved.received = tcp->bytes_received;
	look->moved.sent = tcp->write_seq;
	look->queued_bytes = tcp->write_seq - tcp->snd_una;
	look->unread_bytes = tcp->rcv_nxt - tcp->copied_seq;
	/* A FIN counts as one, and is never read as a byte. */
	if (look->unread_bytes && sk->__sk_common.skc_flags >> SOCK_DONE_BIT & 1)
		look->unread_bytes--;
	__builtin_memcpy(look->local, ends.local, sizeof(look->local));
	__builtin_memcpy(look->remote, ends.remote, sizeof(look->remote));
	look->local_port = ends.local_port;
	look->remote_port = ends.remote_port;
	look->state = sk->__sk_common.skc_state;
}

SEC("iter/tcp")
int look_at_socket(struct bpf_iter__tcp *ctx)
{
	struct look look = {};
	struct tcp_sock *tcp = target(ctx->sk_common, &look.cookie);

	if (!tcp)
		return 0;
	look_at(&look, tcp, look.cookie);
	bpf_seq_write(ctx->meta->seq, &look, sizeof(look));
	return 0;
}

extern int bpf_sock_destroy(struct sock_common *sk) __ksym;

/* Open, or not closed by one side: not what is about to end without us. */
static __always_inline bool destroyable(__u8 state)
{
	return state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT ||
	       state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2;
}

SEC("iter/tcp")
int destroy_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct look look = {};
	struct tcp_sock *tcp = target(common, &look.cookie);
	struct moved *before;

	if (!tcp)
		return 0;
	look_at(&look, tcp, look.cookie);
	before = bpf_map_lookup_elem(&targets, &look.cookie);
	if (!before)
		return 0;
	if (!destroyable(look.state))
		look.result = -EBADFD;
	else if (look.moved.received != before->received || look.moved.sent != before->sent)
		look.result = -EBUSY;
	else
		look.result = bpf_sock_destroy(common);
	bpf_seq_write(ctx->meta->seq, &look, sizeof(look));
	return 0;
}

static __always_inline void set_option(struct tcp_sock *tcp, int level, int name, __u32 value, __s32 *result)
{
	long err;

	if (!value)
		return;
	err = bpf_setsockopt(tcp, level, name, &value, sizeof(value));
	if (err && !*result)
		*result = err;
}

static __always_inline void get_option(struct tcp_sock *tcp, int level, int name, __u32 *value, __s32 *result)
{
	__u32 got = 0;
	long err = bpf_getsockopt(tcp, level, name, &got, sizeof(got));

	*value = got;
	if (err && !*result)
		*result = err;
}

/* The keep-alive itself comes last: its timer starts with the times set before. */
SEC("iter/tcp")
int socket_options(struct bpf_iter__tcp *ctx)
{
	struct options now = {};
	struct tcp_sock *tcp = owned(ctx->sk_common, &now.cookie);
	struct wish *wish;

	if (!tcp)
		return 0;
	wish = bpf_map_lookup_elem(&wishes, &now.cookie);
	if (!wish)
		return 0;
	if (wish->keepalive) {
		set_option(tcp, IPPROTO_TCP, TCP_KEEPIDLE, wish->idle_s, &now.result);
		set_option(tcp, IPPROTO_TCP, TCP_KEEPINTVL, wish->interval_s, &now.result);
		set_option(tcp, IPPROTO_TCP, TCP_KEEPCNT, wish->probes, &now.result);
		set_option(tcp, IPPROTO_TCP, TCP_USER_TIMEOUT, wish->user_timeout_ms, &now.result);
		set_option(tcp, SOL_SOCKET, SO_KEEPALIVE, 1, &now.result);
	}
	get_option(tcp, SOL_SOCKET, SO_KEEPALIVE, &now.keepalive, &now.result);
	get_option(tcp, IPPROTO_TCP, TCP_KEEPIDLE, &now.idle_s, &now.result);
	get_option(tcp, IPPROTO_TCP, TCP_KEEPINTVL, &now.interval_s, &now.result);
	get_option(tcp, IPPROTO_TCP, TCP_KEEPCNT, &now.probes, &now.result);
	get_option(tcp, IPPROTO_TCP, TCP_USER_TIMEOUT, &now.user_timeout_ms, &now.result);
	bpf_seq_write(ctx->meta->seq, &now, sizeof(now));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client that costs nothing: a load generator on kernel sockets needs more time for a connection than
 * the server, and so hides every difference. This one is an XDP program on the client's end of a veth
 * pair, and has no state of connections: each packet of the server says all that the next one of the
 * client depends on. A connection that has ended becomes the SYN of the next, so that as many are under
 * way as flood.c began.
 *
 *	SYN+ACK       ->  ACK with the request
 *	answer        ->  (with FIN) FIN+ACK; without one, wait for it
 *	FIN           ->  FIN+ACK
 *	ACK of that   ->  SYN of a new connection, from the next port
 *
 * Every packet is checked: what is not the expected answer, or a reset, is counted as such. The server
 * does all that it does for any client; its core does the client's part as well, a microsecond or so.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flood.h"

#define ARRAY(NAME, TYPE, N)                                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__type(key, __u32);                                                                \
		__type(value, TYPE);                                                               \
		__uint(max_entries, N);                                                            \
	} NAME SEC(".maps")

ARRAY(conf, struct flood_conf, 1);
ARRAY(counts, __u64, FLOOD_COUNTS);
ARRAY(began, __u64, FLOOD_SLOTS); /* by the client's port: when its SYN was sent, 0: none */
ARRAY(latency, __u64, FLOOD_USEC);

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static __always_inline __u64 count(__u32 what)
{
	__u64 *c = bpf_map_lookup_elem(&counts, &what);

	return c ? __sync_fetch_and_add(c, 1) : 0;
}

/* Of a connection, so that nothing has to be remembered. */
static __always_inline __u32 first_sequence(__u32 client, __u16 port)
{
	return bpf_ntohl(client) * 2654435761u + (__u32)bpf_ntohs(port) * 40503u;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* Everything of a frame but its TCP part; payload bytes are behind it. */
static __always_inline void write_head(
	const struct flood_conf *c, struct frame *f, __u32 client, __u16 tcp_bytes)
{
	__builtin_memcpy(f->eth.h_dest, c->server_mac, 6);
	__builtin_memcpy(f->eth.h_source, c->client_mac, 6);
	f->eth.h_proto = bpf_htons(ETH_P_IP);
	__builtin_memset(&f->ip, 0, sizeof(f->ip));
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.tot_len = bpf_htons(sizeof(struct iphdr) + tcp_bytes);
	f->ip.ttl = 64;
	f->ip.protocol = IPPROTO_TCP;
	f->ip.saddr = client;
	f->ip.daddr = c->server;
	f->ip.check = fold(bpf_csum_diff(0, 0, (__be32 *)&f->ip, sizeof(f->ip), 0));
}

static __always_inline void write_tcp(
	const struct flood_conf *c, struct frame *f, __u16 port, __u32 seq, __u32 ack)
{
	__builtin_memset(&f->tcp, 0, sizeof(f->tcp));
	f->tcp.source = port;
	f->tcp.dest = (__u16)c->port;
	f->tcp.seq = bpf_htonl(seq);
	f->tcp.ack_seq = bpf_htonl(ack);
	f->tcp.window = bpf_htons(65535);
	f->tcp.doff = 5;
}

static __always_inline void sum_tcp(struct frame *f, __u16 bytes, __u64 more)
{
	struct {
		__u32 from, to;
		__u8 zero, protocol;
		__u16 bytes;
	} pseudo = {f->ip.saddr, f->ip.daddr, 0, IPPROTO_TCP, bpf_htons(bytes)};
	__u64 sum = bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), more);

	f->tcp.check = fold(bpf_csum_diff(0, 0, (__be32 *)&f->tcp, sizeof(f->tcp), sum));
}

/* All of a frame is written anew. There is always room in front of it, but not behind. */
#define RESIZE(CTX, LEN, FRAME)                                                                    \
	do {                                                                                       \
		int grow = (int)(LEN) - (int)((CTX)->data_end - (CTX)->data);                      \
		if (grow && bpf_xdp_adjust_head(CTX, -grow))                                       \
			return XDP_DROP;                                                           \
		(FRAME) = (void *)(long)(CTX)->data;                                               \
		if ((void *)(FRAME) + (LEN) > (void *)(long)(CTX)->data_end)                       \
			return XDP_DROP;                                                           \
	} while (0)

static __always_inline int begin(struct xdp_md *ctx, const struct flood_conf *c)
{
	__u64 n = count(FLOOD_STARTED), *at;
	__u32 client, slot;
	struct frame *f;
	__u16 port;

	slot = FLOOD_FIRST + (__u32)(n % FLOOD_PORTS);
	port = bpf_htons((__u16)slot);
	client = bpf_htonl(bpf_ntohl(c->client) + (__u32)(n / FLOOD_PORTS) % FLOOD_HOSTS);
	RESIZE(ctx, sizeof(*f), f);
	write_head(c, f, client, sizeof(f->tcp));
	write_tcp(c, f, port, first_sequence(client, port), 0);
	f->tcp.syn = 1;
	sum_tcp(f, sizeof(f->tcp), 0);
	at = bpf_map_lookup_elem(&began, &slot);
	if (at)
		*at = bpf_ktime_get_ns();
	return XDP_TX;
}

static __always_inline int ask(struct xdp_md *ctx, const struct flood_conf *c, __u32 client,
	__u16 port, __u32 seq, __u32 ack)
{
	struct {
		struct frame f;
		char request[FLOOD_REQUEST];
	} __attribute__((packed)) * p;
	__u64 sum = bpf_csum_diff(0, 0, (__be32 *)c->request, FLOOD_REQUEST, 0);

	RESIZE(ctx, sizeof(*p), p);
	write_head(c, &p->f, client, sizeof(p->f.tcp) + FLOOD_REQUEST);
	write_tcp(c, &p->f, port, seq, ack);
	p->f.tcp.ack = p->f.tcp.psh = 1;
	__builtin_memcpy(p->request, c->request, FLOOD_REQUEST);
	sum_tcp(&p->f, sizeof(p->f.tcp) + FLOOD_REQUEST, sum);
	return XDP_TX;
}

static __always_inline int finish(struct xdp_md *ctx, const struct flood_conf *c, __u32 client,
	__u16 port, __u32 seq, __u32 ack)
{
	struct frame *f;

	RESIZE(ctx, sizeof(*f), f);
	write_head(c, f, client, sizeof(f->tcp));
	write_tcp(c, f, port, seq, ack);
	f->tcp.ack = f->tcp.fin = 1;
	sum_tcp(f, sizeof(f->tcp), 0);
	return XDP_TX;
}

static __always_inline void note_latency(__u16 port)
{
	__u32 slot = bpf_ntohs(port), usec;
	__u64 *at = bpf_map_lookup_elem(&began, &slot), *n;

	if (!at || !*at)
		return;
	usec = (__u32)((bpf_ktime_get_ns() - *at) / 1000);
	if (usec >= FLOOD_USEC)
		usec = FLOOD_USEC - 1;
	n = bpf_map_lookup_elem(&latency, &usec);
	if (n)
		__sync_fetch_and_add(n, 1);
}

static __always_inline int next(struct xdp_md *ctx, const struct flood_conf *c, __u16 port)
{
	__u32 slot = bpf_ntohs(port);
	__u64 *at = bpf_map_lookup_elem(&began, &slot);

	if (at)
		*at = 0;
	return c->stop ? XDP_DROP : begin(ctx, c);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	struct frame *f = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, client, seq, ack, isn, bytes;
	const struct flood_conf *c = bpf_map_lookup_elem(&conf, &zero);
	__u16 port;
	char *payload;
	_Bool fin;

	if (!c || (void *)(f + 1) > end || f->eth.h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (f->ip.ihl != 5 || f->ip.protocol != IPPROTO_TCP || f->ip.saddr != c->server ||
		f->tcp.source != (__u16)c->port)
		return XDP_PASS;
	client = f->ip.daddr;
	port = f->tcp.dest;
	seq = bpf_ntohl(f->tcp.seq);
	ack = bpf_ntohl(f->tcp.ack_seq);
	fin = f->tcp.fin;
	isn = first_sequence(client, port);
	if (f->tcp.rst) {
		count(FLOOD_RESET);
		return next(ctx, c, port);
	}
	if (f->tcp.syn)
		return ask(ctx, c, client, port, ack, seq + 1);
	bytes = bpf_ntohs(f->ip.tot_len) - sizeof(struct iphdr) - f->tcp.doff * 4u;
	if (bytes) {
		payload = (char *)&f->tcp + (f->tcp.doff & 15) * 4;
		if ((void *)(payload + sizeof(c->expected)) > end)
			return XDP_DROP;
		for (unsigned i = 0; i < sizeof(c->expected); i++) {
			if (payload[i] == c->expected[i])
				continue;
			count(FLOOD_WRONG);
			return XDP_DROP;
		}
		count(FLOOD_ANSWERED);
		note_latency(port);
	}
	if (fin)
		return finish(ctx, c, client, port, isn + 1 + FLOOD_REQUEST, seq + bytes + fin);
	if (!bytes && ack == isn + 2 + FLOOD_REQUEST) {
		count(FLOOD_ENDED);
		return next(ctx, c, port);
	}
	return XDP_DROP;
}

/* On the server's end: without any program there, XDP_TX of the other end leads nowhere. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";

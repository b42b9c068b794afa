/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thousands of RTP receivers that cost next to nothing: the filter of a TUN device, which looks at each
 * packet in the device's transmit function, and drops it. Sockets for them would need more time than
 * the server. Each client, known by its port, checks that its numbers go on without a gap; each
 * packet's delay is taken from when the source sent that number.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "audience.h"

#define ARRAY(NAME, TYPE, N)                                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
		__type(key, __u32);                                                                \
		__type(value, TYPE);                                                               \
		__uint(max_entries, N);                                                            \
	} NAME SEC(".maps")

ARRAY(clients, struct audience_client, AUDIENCE_MAX);
ARRAY(counts, __u64, AUDIENCE_COUNTS);
ARRAY(delays, __u64, AUDIENCE_BINS);
ARRAY(sent, __u64, 65536); /* by number: when */

static __always_inline void count(__u32 what, __u64 n)
{
	__u64 *c = bpf_map_lookup_elem(&counts, &what);

	if (c)
		__sync_fetch_and_add(c, n);
}

static __always_inline void note_delay(__u32 seq)
{
	__u64 *at = bpf_map_lookup_elem(&sent, &seq), *bin;
	__u32 i;

	if (!at || !*at)
		return;
	__u64 delay = (bpf_ktime_get_ns() - *at) / AUDIENCE_BIN;
	i = delay < AUDIENCE_BINS ? (__u32)delay : AUDIENCE_BINS - 1;
	bin = bpf_map_lookup_elem(&delays, &i);
	if (bin)
		__sync_fetch_and_add(bin, 1);
}

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	__u8 flags, type;
	__be16 seq;
} __attribute__((packed));

/* Always 0: nothing is left of the packet. */
SEC("socket")
int audience(struct __sk_buff *skb)
{
	struct audience_client *c;
	struct packet p;
	__u32 port, i;
	__u16 seq;
	__s16 ahead;

	if (bpf_skb_load_bytes(skb, 0, &p, sizeof(p)) < 0 || p.ip.protocol != IPPROTO_UDP)
		return 0;
	port = bpf_ntohs(p.udp.dest);
	i = (port - AUDIENCE_FIRST) / 2;
	c = bpf_map_lookup_elem(&clients, &i);
	if (port < AUDIENCE_FIRST || port % 2 || !c)
		return 0;
	seq = bpf_ntohs(p.seq);
	ahead = (__s16)(seq - (__u16)c->next);
	if (c->any && ahead < 0) {
		count(AUDIENCE_LATE, 1);
		return 0;
	}
	if (c->any && ahead > 0)
		count(AUDIENCE_LOST, ahead);
	c->next = (__u16)(seq + 1);
	c->any = 1;
	count(AUDIENCE_PACKETS, 1);
	note_delay(seq);
	return 0;
}

char _license[] SEC("license") = "GPL";

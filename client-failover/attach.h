/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One attachment, the I/O around lib/rtspc: the control connection, and for each medium a pair of
 * UDP sockets (channel.h), or frames within the connection. An anycast transaction is an attachment
 * that only asks (attach_ask).
 *
 * Callbacks tell what happened, one by one; then comes on_done, in which the owner acts. There, and
 * only there, it may send, drain and release attachments, also the one that calls.
 */
#ifndef NEARCAST_CLIENT_ATTACH_H
#define NEARCAST_CLIENT_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "client-failover/playout.h"
#include "client-failover/delivery.h"
#include "lib/addr.h"
#include "lib/loop.h"
#include "lib/rtp.h"
#include "lib/rtspc.h"

struct attach;

struct attach_ops {
	/* Media are about to be asked for: the first sequence number wanted. */
	struct rtp_from (*from)(void *ctx, int media);
	void (*on_redirect)(void *ctx, int id, struct slice location);
	/* An SDP came (valid in the call). False: it cannot be used, nothing more is done. */
	bool (*on_described)(void *ctx, int id, struct slice text, const struct sdp *sdp);
	void (*on_playing)(void *ctx, int id, const struct rtspc_event *ev, bool nearcast);
	void (*on_rtp)(void *ctx, int id, int media, const uint8_t *p, size_t n, ns_t now);
	/* The node passes on what the source says of its clock. */
	void (*on_clock)(void *ctx, int id, int media, uint32_t ssrc, const struct rtcp_sr *sr);
	/* The source ended; last[i]: 16-bit number of medium i or -1. */
	void (*on_ended)(void *ctx, int id, const struct rtspc_event *ev);
	/* Refused or broken: status 0 for what is not RTSP's, err the errno or 0. */
	void (*on_failed)(void *ctx, int id, int status, int retry_after, const char *why);
	void (*on_icmp)(void *ctx, int id, int err);
	/* What is live comes in another way: "tcp", in which case the attachment begins anew (it
	 * will be described, if it was, and play, once more); "multicast", by `group`; "udp". */
	void (*on_delivery)(void *ctx, int id, const char *by, const char *group, const char *why);
	void (*on_done)(void *ctx); /* that was all for now */
	/* What attach_release began is complete: the attachment is freed after this. */
	void (*on_gone)(void *ctx, struct attach *a);
};

struct attach_conf {
	struct loop *loop;
	const struct attach_ops *ops;
	void *ctx;
	uint32_t ssrc;             /* our own, in RTCP */
	const char *cname;         /* outlives the attachment */
	int rcvbuf;                /* bytes */
	struct rtspc_who *who;     /* shared likewise; nobody who only redirects is told */
	struct delivery *delivery; /* what is known of UDP: shared by all attachments */
	/* A handshake that takes longer is begun anew, then after twice that, and so on: a lost SYN
	 * is repeated by the kernel only after 1 s (RFC 6298, 2.1). 0: never (attach_ask's way,
	 * whose owner has a deadline for the whole). */
	ns_t handshake;
	ns_t begin; /* of what is on demand: play from this time on; 0: not told */
};

/*
 * Connects to `at` and asks for `url`; avoid: hosts for Nearcast-Avoid or "". NULL with *err.
 * attach_ask reports on_redirect or on_failed, or on_described when the host answers itself.
 */
struct attach *attach_ask(const struct attach_conf *c, int id, const struct addr *at,
	const char *url, const char *avoid, int *err);
/* Connects and plays; sdp: from another node, or empty. */
struct attach *attach_new(const struct attach_conf *c, int id, const struct addr *at,
	const char *url, struct slice sdp, int *err);
/* With TEARDOWN if the connection is open, which then takes a moment: false. True: it is freed. */
bool attach_release(struct attach *a);
/* Closes at once. */
void attach_free(struct attach *a);

bool attach_playing(const struct attach *a);
bool attach_tcp(const struct attach *a); /* media come within the connection */
ns_t attach_rtt(const struct attach *a); /* of the connection's handshake, 0: not known yet */
/* Where the medium's packets come from (port 0: not told). */
const struct addr *attach_source(const struct attach *a, int media);

void attach_drain(struct attach *a); /* reads what the sockets hold */
/* One RR + SDES for the medium; r NULL: nothing has come yet. */
void attach_send_rr(struct attach *a, int media, const struct playout_report *r);
/* Likewise, with a NACK for these numbers (RFC 4585, 6.2.1), ascending. */
void attach_send_nack(struct attach *a, int media, uint32_t media_ssrc, const uint16_t *seq, int n);
/* A request on the control connection, to which a host that was restarted answers with RST; if a
 * group was to bring the media, that they come by unicast again. */
void attach_probe(struct attach *a, ns_t now);
ns_t attach_when(const struct attach *a);
void attach_tick(struct attach *a, ns_t now);

#endif

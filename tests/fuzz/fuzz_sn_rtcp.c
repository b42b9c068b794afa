/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTP and RTCP at the relay, from the origin and from a receiver. The input is a row of datagrams,
 * each behind two bytes: who sends it (and how much time has passed), and its length.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sn-agent/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\n"
			  "m=video 0 RTP/AVP 33\r\na=control:a\r\n";

static volatile uint8_t sink;
static int room;

static int take(const struct iovec *v, int n)
{
	for (int i = 0; i < n; i++)
		for (size_t k = 0; k < v[i].iov_len; k++)
			sink = ((const uint8_t *)v[i].iov_base)[k];
	return n;
}

static int udp(void *arg, bool rtcp, const struct addr *to, const struct iovec *v, int n)
{
	(void)arg, (void)rtcp, (void)to;
	return take(v, n);
}

static int tcp(void *arg, void *conn, uint8_t channel, const struct iovec *v, int n)
{
	(void)arg, (void)conn, (void)channel;
	room = (room + 5) % 7;
	return take(v, n < room ? n : room);
}

static void missing(void *arg, struct medium *m, int64_t seq)
{
	(void)arg;
	if (seq < 0 && !ring_empty(m->ring))
		abort();
}

static ns_t woken;

static void wake(void *arg, ns_t when)
{
	(void)arg;
	woken = when;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct relay_io io = {
		.udp = udp, .tcp = tcp, .missing = missing, .wake = wake};
	static struct channels channels;
	struct receiver rx[3] = {{.tcp = true, .conn = &room}, {.tcp = false}, {.tcp = false}};
	struct relay r;
	struct channel *ch;
	struct medium *m;
	ns_t now = 1;
	int err;

	channels_init(&channels, NS_S, (size_t)64 * RING_MTU, NS_S);
	ch = channel_new(&channels, SLICE("/x"), CHANNEL_LIVE, 0);
	if (!ch || channel_describe(&channels, ch, slice_of(sdp)))
		abort();
	m = &ch->medium[0];
	relay_init(&r, &io, NULL);
	r.few = 2;
	r.delay = 20 * NS_MS;
	for (int i = 0; i < 2; i++)
		relay_add(&r, m, &rx[i], i ? 100 : -1, now, &err);
	while (len >= 2) {
		size_t n = data[1];
		uint8_t who = data[0];
		int64_t seq;

		data += 2;
		len -= 2;
		if (n > len)
			n = len;
		now += (who >> 3) * NS_MS;
		switch (who % 8) {
		case 0:
		case 1: relay_rtp(&r, m, data, n, now, &seq); break;
		case 2: relay_origin_rtcp(&r, m, data, n); break;
		case 3:
		case 4: relay_feedback(&r, &rx[who % 2], data, n, now); break;
		case 5:
			/* What waits has been said to, and not for longer than it may. */
			woken = NS_NEVER;
			relay_turn(&r, now);
			if (m->n_fresh ? woken <= now || woken > now + r.delay : woken != NS_NEVER)
				abort();
			break;
		case 6: relay_catch_up(&r, now); break;
		case 7:
			relay_remove(&r, &rx[2]);
			relay_add(&r, m, &rx[2], n ? data[0] : -1, now, &err);
			relay_send_report(&r, &rx[2]);
			relay_send_bye(&r, &rx[2]);
			break;
		}
		data += n;
		len -= n;
	}
	for (int i = 0; i < 3; i++)
		relay_remove(&r, &rx[i]);
	relay_flush(&r);
	if (r.catching || m->receivers)
		abort();
	channels_free(&channels);
	return 0;
}

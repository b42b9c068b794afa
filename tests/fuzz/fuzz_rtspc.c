/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RTSP client against any server. The first byte says how the client begins (SDP known or
 * not, media over UDP or interleaved) and in what pieces the rest arrives.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtspc.h"
#include "lib/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char sdp[] = "v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\na=control:*\r\n"
			  "m=video 0 RTP/AVP 33\r\na=control:trackID=0\r\n"
			  "m=audio 0 RTP/AVP 0\r\na=control:trackID=1\r\n";

/* Where every byte of an event is read to, so that a sanitizer sees it read. */
static volatile uint8_t sink;

static void drain(struct rtspc *c, bool tcp)
{
	struct rtspc_media_conf m[SDP_MAX_MEDIA];
	struct rtspc_event ev;

	while (rtspc_next(c, &ev) != RTSPC_NONE) {
		for (size_t i = 0; i < ev.data.n; i++)
			sink = (uint8_t)ev.data.p[i];
		if (ev.kind == RTSPC_GROUP)
			rtspc_deliver(c, addr_port(&ev.group) % 2 == 0);
		if (ev.kind != RTSPC_DESCRIBED)
			continue;
		for (int i = 0; i < ev.sdp->medias; i++)
			m[i] = (struct rtspc_media_conf){
				tcp ? 0 : (uint16_t)(5000 + 2 * i), {.seq = i * 40000}};
		if (rtspc_setup(c, m, ev.sdp->medias, 0) < 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rtspc_media_conf m[2] = {
		{5000, {.seq = 1, .has_ssrc = true, .ssrc = 0xcafebabe}}, {5002, {.seq = -1}}};

	if (len == 0)
		return 0;
	bool known = data[0] & 1, tcp = data[0] & 2;
	size_t piece = (size_t)(data[0] >> 2) + 1, at = 1, have = 0;
	struct rtspc *c = rtspc_new("rtsp://10.2.0.6/a", "10.2.0.7", "fuzz",
		known ? (struct slice){sdp, sizeof sdp - 1} : (struct slice){0});
	struct rtspc_who who = {.user = "u", .password = "p"};
	uint8_t *buf = malloc(len);

	if (secret_init() < 0)
		return 0;
	rtspc_set_who(c, &who);
	rtspc_can_join(c);
	rtspc_start(c, 0);
	if (tcp)
		m[0].client_port = m[1].client_port = 0;
	if (known && rtspc_setup(c, m, 2, 0) < 0)
		abort();
	drain(c, tcp);
	while (at < len) {
		size_t n = piece < len - at ? piece : len - at, used;
		memcpy(buf + have, data + at, n);
		have += n;
		at += n;
		do {
			used = rtspc_input(c, buf, have, (ns_t)at * NS_S);
			if (used > have)
				abort();
			drain(c, tcp);
			memmove(buf, buf + used, have - used);
			have -= used;
		} while (used && have);
		rtspc_tick(c, (ns_t)at * NS_S);
		drain(c, tcp);
	}
	rtspc_teardown(c, 0);
	drain(c, tcp);
	rtspc_free(c);
	free(buf);
	return 0;
}

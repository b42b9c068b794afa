/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes as an RTP packet, as an RTCP compound, and, two by two, as numbers to be asked for:
 * the NACKs that are built of them ask for just these.
 */
#include <string.h>

#include "lib/rtp.h"
#include "tests/fuzz/must.h"

static volatile uint8_t sink;

static void read_all(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink = p[i];
}

static void count(void *arg, uint16_t seq)
{
	sink = (uint8_t)seq;
	++*(int *)arg;
}

static void walk(const uint8_t *data, size_t len)
{
	struct rtcp_sr sr;
	struct rtcp r;
	size_t at = 0, before = 0;

	while (rtcp_next(&r, data, len, &at) == 1) {
		uint32_t media;
		int calls = 0, n;

		MUST(at > before && at <= len);
		before = at;
		read_all(r.body, r.len);
		n = rtcp_nack_parse(&r, &media, count, &calls);
		MUST(n < 0 ? !calls : n == calls && n >= 1);
		if (r.type == RTCP_SR)
			MUST(rtcp_sr_parse(&sr, &r) == 0);
	}
}

static uint8_t wanted[8192], asked[8192]; /* bit by bit */

static void ask(void *arg, uint16_t seq)
{
	(void)arg;
	asked[seq / 8] |= (uint8_t)(1 << seq % 8);
}

static void build(const uint8_t *data, size_t len)
{
	static uint16_t seq[1024];
	uint8_t buf[256];
	int n = 0, done = 0;

	memset(wanted, 0, sizeof(wanted));
	memset(asked, 0, sizeof(asked));
	for (; n < 1024 && len >= 2 * (size_t)n + 2; n++) {
		seq[n] = (uint16_t)(data[2 * n] << 8 | data[2 * n + 1]);
		wanted[seq[n] / 8] |= (uint8_t)(1 << seq[n] % 8);
	}
	while (done < n) {
		size_t size = 0, at = 0;
		struct rtcp r;
		uint32_t media;
		int took = rtcp_put_nack(
			buf, 16 + (size_t)done % 240, &size, 1, 2, seq + done, n - done);

		MUST(took > 0 && size <= 16 + (size_t)done % 240);
		MUST(rtcp_next(&r, buf, size, &at) == 1 && at == size);
		MUST(rtcp_nack_parse(&r, &media, ask, NULL) > 0);
		done += took;
	}
	MUST(!memcmp(wanted, asked, sizeof(wanted)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rtp r;

	if (rtp_parse(&r, data, len) == 0) {
		MUST(r.payload >= data + RTP_HEADER && r.payload + r.payload_len <= data + len);
		read_all(r.payload, r.payload_len);
	}
	sink = rtp_is_rtcp(data, len);
	walk(data, len);
	build(data, len);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A film's file, which comes from somebody else's server: whatever its bytes are, they are carried as
 * they are; packets are stamped the same when only the blocks that count are known; places lie within
 * what was asked for. The input is a small file, repeated to a few blocks: two bytes say how often.
 */
#include <string.h>

#include "sn-agent/film.h"
#include "tests/fuzz/must.h"

#define MOST (4 * FILM_BLOCK + 999)

static uint8_t file[MOST];
static struct film_reel all, some;

static bool fill(struct film *f, struct film_reel *r, int64_t b)
{
	return film_fill(f, r, b, file + b * FILM_BLOCK) == 0;
}

static bool opens(struct film *f, struct film_reel *r, const struct film_id *id)
{
	int64_t b;

	MUST(film_init(f, "/films/a", id) == 0);
	while ((b = film_lacks(f)) >= 0)
		if (!fill(f, r, b))
			return false;
	return film_measure(f) == 0;
}

static void compare(struct film *f, struct film *g, int64_t b)
{
	int64_t k, at = b * FILM_BLOCK;

	while ((k = film_beside(g, b)) >= 0)
		MUST(fill(g, &some, k));
	MUST(fill(f, &all, b) && fill(g, &some, b));
	film_stamp(f, &all);
	film_stamp(g, &some);
	for (int i = 0; i < all.packets; i++) {
		struct iovec v = film_packet(&all, i), w = film_packet(&some, i);

		MUST(v.iov_len == w.iov_len && !memcmp(v.iov_base, w.iov_base, v.iov_len));
		MUST(!memcmp(
			(uint8_t *)v.iov_base + RTP_HEADER, file + at, v.iov_len - RTP_HEADER));
		at += (int64_t)v.iov_len - RTP_HEADER;
	}
	MUST(at == b * FILM_BLOCK + film_block_bytes(f, b));
	int64_t place = film_access_before(f, &all, at - 1);

	MUST(place < at && (place == -1 || place >= b * FILM_BLOCK));
	MUST(film_clock_before(f, &all, f->duration) < at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct film_id id = {.tag = "t"};
	struct film f, g;

	if (len < 3)
		return 0;
	id.size = 1 + (data[0] << 8 | data[1]) * (int64_t)MOST / 65536;
	data += 2;
	len -= 2;
	for (int64_t at = 0; at < id.size; at += (int64_t)len)
		memcpy(file + at, data, (int64_t)len < id.size - at ? len : (size_t)(id.size - at));
	if (opens(&f, &all, &id)) {
		MUST(opens(&g, &some, &id));
		for (int64_t b = 0; b < f.blocks; b++)
			MUST(fill(&f, &all, b));
		for (int64_t b = f.blocks - 1; b >= 0; b--)
			compare(&f, &g, b);
		film_free(&g);
	}
	film_free(&f);
	return 0;
}

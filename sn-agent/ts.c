/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/ts.h"

#include <errno.h>

#define SYNC      0x47
#define TABLE_PAT 0
#define TABLE_PMT 2
#define PAT_HEAD  8 /* bytes of a section before its first program */
#define PMT_HEAD  12
#define CRC       4

/* The adaptation field, p[0] being its length (2.4.3.5). False: it is longer than the packet. */
static bool adaptation(struct ts *t, const uint8_t *p, size_t room)
{
	size_t len = p[0];

	if (len > room - 1)
		return false;
	if (len == 0)
		return true;
	t->discontinuity = p[1] & 0x80;
	t->random_access = p[1] & 0x40;
	if (p[1] & 0x10) {
		if (len < 7)
			return false;
		int64_t base = (int64_t)p[2] << 25 | (int64_t)p[3] << 17 | (int64_t)p[4] << 9 |
		               (int64_t)p[5] << 1 | p[6] >> 7;
		int64_t extension = (p[6] & 1) << 8 | p[7];

		t->pcr = (base * 300 + extension) % TS_WRAP; /* an extension above 299 is wrong */
	}
	return true;
}

int ts_parse(struct ts *t, const uint8_t p[TS_PACKET])
{
	size_t at = 4;

	*t = (struct ts){.pcr = -1};
	if (p[0] != SYNC || p[1] & 0x80)
		return -EINVAL;
	t->start = p[1] & 0x40;
	t->pid = (uint16_t)((p[1] & 0x1f) << 8 | p[2]);
	if (p[3] & 0x20) {
		if (!adaptation(t, p + at, TS_PACKET - at))
			return -EINVAL;
		at += 1u + p[at];
	}
	if (p[3] & 0x10 && at < TS_PACKET) {
		t->payload = p + at;
		t->len = TS_PACKET - at;
	}
	return 0;
}

void ts_program_init(struct ts_program *g)
{
	*g = (struct ts_program){TS_NO_PID, TS_NO_PID, TS_NO_PID};
}

static uint16_t pid_at(const uint8_t *p)
{
	return (uint16_t)((p[0] & 0x1f) << 8 | p[1]);
}

/* The section that begins in a packet: as much of it as the packet has, without its CRC. */
static const uint8_t *section(const struct ts *t, uint8_t table, size_t head, size_t *len)
{
	if (!t->start || t->len < 1 || t->payload[0] + 1u + head > t->len)
		return NULL;

	const uint8_t *s = t->payload + 1 + t->payload[0];
	size_t have = t->len - 1 - t->payload[0];
	size_t whole = 3 + (size_t)((s[1] & 0x0f) << 8 | s[2]);

	if (s[0] != table || whole < head + CRC)
		return NULL;
	*len = whole - CRC < have ? whole - CRC : have;
	return s;
}

static void see_pat(struct ts_program *g, const struct ts *t)
{
	size_t len;
	const uint8_t *s = section(t, TABLE_PAT, PAT_HEAD, &len);

	for (size_t i = PAT_HEAD; s && i + 4 <= len; i += 4)
		if (s[i] || s[i + 1]) { /* program 0 names the network's table */
			g->pmt = pid_at(s + i + 2);
			return;
		}
}

/* Stream types of video (table 2-34, and H.265). */
static bool is_video(uint8_t type)
{
	return type == 0x01 || type == 0x02 || type == 0x10 || type == 0x1b || type == 0x24;
}

static void see_pmt(struct ts_program *g, const struct ts *t)
{
	size_t len, i;
	const uint8_t *s = section(t, TABLE_PMT, PMT_HEAD, &len);

	if (!s)
		return;
	g->pcr = pid_at(s + 8);
	i = PMT_HEAD + (size_t)((s[10] & 0x0f) << 8 | s[11]);
	for (; i + 5 <= len; i += 5 + (size_t)((s[i + 3] & 0x0f) << 8 | s[i + 4]))
		if (is_video(s[i])) {
			g->video = pid_at(s + i + 1);
			return;
		}
}

bool ts_program_see(struct ts_program *g, const struct ts *t)
{
	if (g->pcr != TS_NO_PID)
		return true;
	if (t->pid == TS_PAT_PID && g->pmt == TS_NO_PID)
		see_pat(g, t);
	else if (t->pid == g->pmt && g->pmt != TS_NO_PID)
		see_pmt(g, t);
	return g->pcr != TS_NO_PID;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/dnsmsg.h"

#include <errno.h>
#include <string.h>

#include "lib/cursor.h"

#define CLASS_IN  1
#define QR        0x8000
#define MAX_LABEL 63

struct reader {
	struct rcur c;
	const uint8_t *msg;
	size_t n;
};

/* The octet as it is kept, or 0: no name of ours has it. */
static char letter(uint8_t b)
{
	if (b >= 'A' && b <= 'Z')
		return (char)(b | 32);
	if ((b >= 'a' && b <= 'z') || (b >= '0' && b <= '9') || b == '-' || b == '_')
		return (char)b;
	return 0;
}

bool dns_name_ok(const char *name)
{
	size_t label = 0, n = strlen(name);

	if (n == 0 || n >= DNS_NAME)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && name[i] != '.') {
			if (!letter((uint8_t)name[i]) || ++label > MAX_LABEL)
				return false;
		} else {
			if (!label)
				return false;
			label = 0;
		}
	}
	return true;
}

/* The labels at *at up to the root or a pointer; out gets them, *at becomes where the pointer
 * points to (or SIZE_MAX at the root). Where reading goes on behind the name is the caller's. */
static bool read_labels(struct rcur *c, char out[DNS_NAME], size_t *len, size_t *pointer)
{
	for (;;) {
		uint8_t head = rcur_u8(c);
		const uint8_t *label;

		if (c->bad)
			return false;
		if (head == 0) {
			*pointer = SIZE_MAX;
			return true;
		}
		if (head >= 0xc0) {
			*pointer = (size_t)(head & 0x3f) << 8 | rcur_u8(c);
			return !c->bad;
		}
		if (head > MAX_LABEL)
			return false;
		label = rcur_take(c, head);
		if (!label || *len + (*len > 0) + head >= DNS_NAME)
			return false;
		if (*len)
			out[(*len)++] = '.';
		for (int i = 0; i < head; i++) {
			out[*len] = letter(label[i]);
			if (!out[(*len)++])
				return false;
		}
	}
}

/* A name, maybe compressed. Each pointer has to point before the one that it is in, so that there
 * are fewer of them than bytes. */
static void read_name(struct reader *r, char out[DNS_NAME])
{
	size_t here = (size_t)(r->c.p - r->msg), len = 0, pointer;
	struct rcur *c = &r->c, back;

	out[0] = '\0';
	for (;;) {
		if (!read_labels(c, out, &len, &pointer) ||
			(pointer != SIZE_MAX && pointer >= here)) {
			r->c.bad = true;
			out[0] = '\0';
			return;
		}
		if (pointer == SIZE_MAX)
			break;
		here = pointer;
		back = rcur_init(r->msg + pointer, r->n - pointer);
		c = &back;
	}
	out[len] = '\0';
}

/* A name that is of no interest, whatever it is made of. */
static void skip_name(struct rcur *c)
{
	for (uint8_t head; !c->bad && (head = rcur_u8(c)) != 0;) {
		if (head >= 0xc0) {
			rcur_u8(c);
			return;
		}
		rcur_take(c, head);
	}
}

static uint32_t read_ttl(struct rcur *c)
{
	uint32_t ttl = rcur_u32(c);

	return ttl >> 31 ? 0 : ttl;
}

static void read_address(struct dns_rr *rr, const uint8_t *p)
{
	if (rr->type == DNS_A) {
		rr->addr.in.sin_family = AF_INET;
		memcpy(&rr->addr.in.sin_addr, p, 4);
	} else {
		rr->addr.in6.sin6_family = AF_INET6;
		memcpy(&rr->addr.in6.sin6_addr, p, 16);
	}
}

/* The data of a record of a type that we know; false: it is of another one. */
static bool read_data(struct reader *r, struct dns_rr *rr, size_t len)
{
	const uint8_t *p;

	switch (rr->type) {
	case DNS_A:
	case DNS_AAAA:
		p = rcur_take(&r->c, len);
		if (len != (rr->type == DNS_A ? 4 : 16))
			r->c.bad = true;
		else if (p)
			read_address(rr, p);
		return true;
	case DNS_CNAME:
	case DNS_PTR: read_name(r, rr->target); return true;
	case DNS_SRV:
		rr->priority = rcur_u16(&r->c);
		rr->weight = rcur_u16(&r->c);
		rr->port = rcur_u16(&r->c);
		read_name(r, rr->target);
		return true;
	}
	rcur_take(&r->c, len);
	return false;
}

static void read_answers(struct reader *r, struct dns_msg *m, unsigned count)
{
	while (count-- && !r->c.bad) {
		struct dns_rr rr = {.type = 0};
		const uint8_t *end;
		uint16_t class;
		bool known;
		size_t len;

		read_name(r, rr.owner);
		rr.type = rcur_u16(&r->c);
		class = rcur_u16(&r->c);
		rr.ttl = read_ttl(&r->c);
		len = rcur_u16(&r->c);
		if (len > rcur_left(&r->c))
			r->c.bad = true;
		if (r->c.bad)
			return;
		end = r->c.p + len;
		known = read_data(r, &rr, len);
		if (!r->c.bad && r->c.p != end)
			r->c.bad = true;
		if (!r->c.bad && known && class == CLASS_IN && m->rrs < DNS_MAX_RRS)
			m->rr[m->rrs++] = rr;
	}
}

/* RFC 2308, 5: a denial holds for the smaller of the two. */
static void read_authority(struct reader *r, struct dns_msg *m, unsigned count)
{
	struct rcur *c = &r->c;

	while (count-- && !c->bad) {
		uint16_t type;
		uint32_t ttl, minimum;
		size_t len;

		skip_name(c);
		type = rcur_u16(c);
		rcur_u16(c);
		ttl = read_ttl(c);
		len = rcur_u16(c);
		if (type == DNS_SOA && !c->bad && len <= rcur_left(c)) {
			struct rcur soa = rcur_init(c->p, len);

			skip_name(&soa);
			skip_name(&soa);
			rcur_take(&soa, 16); /* serial, refresh, retry, expire */
			minimum = read_ttl(&soa);
			if (!soa.bad) {
				m->has_soa = true;
				m->negative_ttl = ttl < minimum ? ttl : minimum;
			}
		}
		rcur_take(c, len);
	}
}

int dns_parse(struct dns_msg *m, const uint8_t *p, size_t n)
{
	struct reader r = {rcur_init(p, n), p, n};
	unsigned flags, questions, answers, authorities;

	memset(m, 0, offsetof(struct dns_msg, rr));
	m->rrs = 0;
	m->has_soa = false;
	m->negative_ttl = 0;
	rcur_u16(&r.c);
	flags = rcur_u16(&r.c);
	questions = rcur_u16(&r.c);
	answers = rcur_u16(&r.c);
	authorities = rcur_u16(&r.c);
	rcur_u16(&r.c);
	if (r.c.bad || !(flags & QR) || questions != 1)
		return -EINVAL;
	m->rcode = flags & 0xf;
	read_name(&r, m->name);
	m->type = rcur_u16(&r.c);
	if (rcur_u16(&r.c) != CLASS_IN)
		r.c.bad = true;
	read_answers(&r, m, answers);
	read_authority(&r, m, authorities);
	return r.c.bad ? -EINVAL : 0;
}

const char *dns_type_str(enum dns_type t)
{
	switch (t) {
	case DNS_A: return "A";
	case DNS_CNAME: return "CNAME";
	case DNS_SOA: return "SOA";
	case DNS_PTR: return "PTR";
	case DNS_AAAA: return "AAAA";
	case DNS_SRV: return "SRV";
	}
	return "?";
}

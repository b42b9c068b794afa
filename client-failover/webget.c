/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The failover core knows sessions and packets. Here a "packet" is a piece of the body that is new,
 * an attachment is attached when its head is one that can be used, and a refusal is an answer that
 * another node may not give: 5xx at first, anything but the rest of the object later.
 *
 * Positions are those of bytes in the object, not in the body of the response, which for a range
 * begins somewhere else: the next node's response may begin at another place than the first one's.
 */
#include "client-failover/webget.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/token.h"

#define ERRORS_MAX 1 /* that many answers 5xx send us elsewhere, the next one is the answer */
#define PATIENCE   (60 * NS_S) /* with a silence that nothing can be done about */

/* A server may be busy, and TCP repeats what is lost after 200 ms, then 400, then 800. */
static const struct failover_conf web = {
	.scheme = "http",
	.detect = {.factor = 4,
		.least = 500 * NS_MS,
		.most = 2 * NS_S,
		.memory = 8 * NS_S,
		.acquaintance = 500 * NS_MS},
	.transaction = 500 * NS_MS,
	.attach = 2 * NS_S,
	.least = 500 * NS_MS,
	.least_ask = 100 * NS_MS,
	.most = 5 * NS_S,
	.settle = 5 * NS_S,
	.avoid = 10 * NS_S,
	.give_up = {15 * NS_S, 30 * NS_S},
};

/* An attachment: one response. */
struct part {
	int id;       /* 0: free */
	bool anycast; /* it is asked at the anycast host itself */
	bool home;    /* at the node that was known beforehand */
	bool head;    /* its head was taken: */
	struct object object;
	int64_t at; /* where its next byte is in the object */
	char url[FAILOVER_URL];
};

struct webget {
	const char *url;
	char home[FAILOVER_URL], ask[FAILOVER_URL];
	bool to_head, follow;
	struct failover *fo;
	enum webget_state state;
	const char *why;
	int tr; /* the transaction; 0: none */
	int errors;
	bool refused;
	char token[TOKEN_TEXT];
	struct part part[FAILOVER_ATTS];

	bool fixed, resumable, held;
	struct object object;
	int64_t next;    /* the first byte that is missing */
	int64_t resumed; /* what it was at the last failover */
	ns_t quiet_at;   /* when it is given up, if it cannot be resumed */
};

struct webget *webget_new(const struct webget_conf *c)
{
	struct webget *f = calloc(1, sizeof *f);

	if (!f || !(f->fo = failover_new(&web))) {
		free(f);
		return NULL;
	}
	f->url = c->url;
	f->to_head = c->to_head;
	f->follow = c->follow;
	f->why = "";
	f->quiet_at = NS_NEVER;
	slice_copy(slice_of(c->home), f->home, sizeof f->home); /* too long: "" */
	return f;
}

void webget_free(struct webget *f)
{
	if (!f)
		return;
	failover_free(f->fo);
	free(f);
}

void webget_start(struct webget *f, ns_t now)
{
	if (*f->home)
		failover_start_at(f->fo, slice_of(f->home), now);
	else
		failover_start(f->fo, now);
}

/* ---- what is asked ---- */

const char *webget_ask_url(struct webget *f)
{
	struct sbuf b;

	if (!*f->token)
		return f->url;
	sbuf_init(&b, f->ask, sizeof f->ask);
	token_put_url(&b, slice_of(f->url), f->token);
	return b.full ? f->url : f->ask;
}

bool webget_put_range(const struct webget *f, struct sbuf *b)
{
	if (!f->fixed)
		return false;
	object_put_range(b, &f->object, f->next);
	return true;
}

/* ---- small parts ---- */

static struct part *part_of(struct webget *f, int id)
{
	for (int i = 0; i < FAILOVER_ATTS; i++)
		if (id > 0 && f->part[i].id == id)
			return &f->part[i];
	return NULL;
}

static void over(struct webget *f, enum webget_state s, const char *why, ns_t now)
{
	if (f->state != WEBGET_GOING)
		return;
	f->state = s;
	f->why = why;
	f->quiet_at = NS_NEVER;
	failover_done(f->fo, now);
}

/* What has come is all of it. */
static void whole(struct webget *f, ns_t now)
{
	f->object.length = f->next - f->object.base;
	over(f, WEBGET_WHOLE, "", now);
}

static int64_t end_of(const struct webget *f)
{
	return f->object.length < 0 ? -1 : f->object.base + f->object.length;
}

/* It is this response's object from now on. */
static void fix(struct webget *f, const struct part *p, ns_t now)
{
	f->fixed = true;
	f->object = p->object;
	f->next = p->object.base;
	f->resumable = !object_fixed(&f->object);
	webget_held(f, f->held, now);
}

static bool is_redirection(const struct text_msg *m)
{
	return (m->status >= 301 && m->status <= 303) || m->status == 307 || m->status == 308;
}

static void note_token(struct webget *f, const char *url)
{
	token_take_url(slice_of(url), f->token);
}

static bool is_absolute(struct slice s)
{
	struct slice scheme = slice_cut(&s, ':');

	for (size_t i = 0; i < scheme.n; i++)
		if (strchr("/?", scheme.p[i]))
			return false;
	return s.n >= 2 && memcmp(s.p, "//", 2) == 0;
}

int webget_resolve(struct slice base, struct slice location, char *out, size_t cap)
{
	struct slice scheme = SLICE("http:"), rest = base;
	struct url u;
	struct sbuf b;

	location = slice_cut(&location, '#');
	sbuf_init(&b, out, cap);
	slice_cut(&rest, '/');
	slice_cut(&rest, '/'); /* authority and path */
	if (!location.n || is_absolute(location)) {
		sbuf_slice(&b, location.n ? location : base);
	} else if (location.n >= 2 && memcmp(location.p, "//", 2) == 0) {
		sbuf_slice(&b, scheme);
		sbuf_slice(&b, location);
	} else {
		struct slice path = rest;
		struct slice authority = slice_cut(&path, '/');
		sbuf_str(&b, "http://");
		sbuf_slice(&b, slice_cut(&authority, '?'));
		path = slice_cut(&path, '?');
		if (location.p[0] == '?') {
			sbuf_str(&b, "/");
			sbuf_slice(&b, path);
		} else if (location.p[0] != '/') {
			while (path.n && path.p[path.n - 1] != '/')
				path.n--;
			sbuf_str(&b, "/");
			sbuf_slice(&b, path);
		}
		sbuf_slice(&b, location);
	}
	return b.full || url_parse(&u, (struct slice){b.p, b.n}) < 0 || !u.host.n ? -EINVAL : 0;
}

/* ---- heads ---- */

static int retry_after(const struct text_msg *m)
{
	unsigned long long s;

	return slice_u64(text_header(m, "Retry-After"), 3600, &s) < 0 ? -1 : (int)s;
}

static enum webget_use transaction_head(struct webget *f, const struct text_msg *m, ns_t now)
{
	int id = f->tr;
	char url[FAILOVER_URL];

	f->tr = 0;
	if (m->status >= 500) {
		f->why = m->status == 503 ? "no node is free" : "the anycast host has an error";
		failover_not_located(f->fo, id, retry_after(m), now);
		return WEBGET_DROP;
	}
	if (!is_redirection(m)) { /* it serves the object itself */
		failover_located(f->fo, id, slice_of(f->url), now);
		return WEBGET_ADOPT;
	}
	if (webget_resolve(slice_of(f->url), text_header(m, "Location"), url, sizeof url) < 0) {
		f->why = "the redirection leads nowhere";
		failover_not_located(f->fo, id, -1, now);
		return WEBGET_DROP;
	}
	note_token(f, url);
	failover_located(f->fo, id, slice_of(url), now);
	return WEBGET_DROP;
}

static enum webget_use refuse(struct webget *f, struct part *p, const char *why, ns_t now)
{
	f->why = why;
	failover_lost(f->fo, p->id, FO_REFUSED, now);
	return WEBGET_DROP;
}

static enum webget_use follow(struct webget *f, struct part *p, const struct text_msg *m, ns_t now)
{
	char url[FAILOVER_URL];

	if (webget_resolve(slice_of(p->url), text_header(m, "Location"), url, sizeof url) < 0)
		return refuse(f, p, "the redirection leads nowhere", now);
	if (p->anycast)
		note_token(f, url);
	failover_redirected(f->fo, p->id, slice_of(url), now);
	return WEBGET_DROP;
}

/* The first answer that can be used is the object; until its first byte is there, others may be. */
static enum webget_use first_head(
	struct webget *f, struct part *p, const struct text_msg *m, int64_t length, ns_t now)
{
	const char *why = NULL;
	bool bodyless = f->to_head || m->status == 204 || m->status == 304;

	if (p->home && (m->status == 401 || m->status == 403)) {
		/* It wants a token for this very object, which the anycast host gives. */
		f->refused = true;
		failover_redirected(f->fo, p->id, slice_of(f->url), now);
		return WEBGET_DROP;
	}
	if (m->status >= 500 && f->errors++ < ERRORS_MAX)
		return refuse(f, p, "the node has an error", now);
	if (bodyless)
		p->object = (struct object){.status = m->status, .total = -1};
	else
		why = object_of(&p->object, m, length);
	if (why)
		return refuse(f, p, why, now);
	return WEBGET_USE;
}

static enum webget_use next_head(
	struct webget *f, struct part *p, const struct text_msg *m, int64_t length, ns_t now)
{
	const char *why = object_of(&p->object, m, length);

	if (why)
		return refuse(f, p, why, now);
	switch (object_continues(&f->object, &p->object, f->next, &why)) {
	case OBJECT_SAME: break;
	case OBJECT_WHOLE: whole(f, now); return WEBGET_DROP;
	case OBJECT_CHANGED: over(f, WEBGET_CHANGED, why, now); return WEBGET_DROP;
	case OBJECT_REFUSED: return refuse(f, p, why, now);
	}
	if (f->object.total < 0 && p->object.total >= 0) {
		f->object.total = p->object.total;
		if (f->object.length < 0)
			f->object.length = f->object.total - f->object.base;
	}
	return WEBGET_USE;
}

enum webget_use webget_head(
	struct webget *f, int id, const struct text_msg *m, int64_t length, ns_t now)
{
	struct part *p = part_of(f, id);
	enum webget_use use;

	if (f->state != WEBGET_GOING)
		return WEBGET_DROP;
	if (id == f->tr && id > 0)
		return transaction_head(f, m, now);
	if (!p || p->head)
		return WEBGET_DROP;
	if (is_redirection(m) && (p->anycast || f->follow))
		return follow(f, p, m, now);
	use = f->fixed ? next_head(f, p, m, length, now) : first_head(f, p, m, length, now);
	if (use == WEBGET_USE) {
		p->head = true;
		p->at = p->object.base;
		failover_attached(f->fo, id, now);
	}
	return use;
}

/* ---- bodies ---- */

/* `p` has the first byte, or the end, of what is fetched, or of what is left of it. */
static void moved(struct webget *f, const struct part *p, ns_t now)
{
	if (p->id != failover_current(f->fo))
		f->resumed = f->next - f->object.base;
	failover_packet(f->fo, p->id, true, now);
	if (!f->resumable)
		f->quiet_at = now + PATIENCE;
}

struct webget_bytes webget_body(struct webget *f, int id, struct slice piece, ns_t now)
{
	struct part *p = part_of(f, id);
	struct webget_bytes b = {.data = {piece.p, 0}};

	if (!p || !p->head || !piece.n || f->state != WEBGET_GOING)
		return b;
	if (!f->fixed) {
		fix(f, p, now);
		b.first = true;
	}
	p->at += (int64_t)piece.n;
	if (p->at <= f->next) { /* a node without ranges gives us again what we have */
		failover_progress(f->fo, id, now);
		return b;
	}
	int64_t end = end_of(f), fresh = p->at - f->next, left = end < 0 ? fresh : end - f->next;
	b.data.n = (size_t)(fresh < left ? fresh : left);
	b.data.p = piece.p + (piece.n - (size_t)fresh);
	moved(f, p, now);
	f->next += (int64_t)b.data.n;
	if (f->next == end)
		over(f, WEBGET_WHOLE, "", now);
	return b;
}

struct webget_bytes webget_end(struct webget *f, int id, ns_t now)
{
	struct part *p = part_of(f, id);
	struct webget_bytes b = {0};

	if (!p || !p->head || f->state != WEBGET_GOING)
		return b;
	if (!f->fixed) {
		fix(f, p, now);
		b.first = true;
		moved(f, p, now);
	}
	if (p->at < f->next) {
		over(f, WEBGET_CHANGED, "the object is shorter", now);
	} else if (f->object.length < 0 || f->next == end_of(f)) {
		whole(f, now);
	} else {
		webget_lost(f, id, "it ended early", now);
	}
	return b;
}

void webget_lost(struct webget *f, int id, const char *why, ns_t now)
{
	if (f->state != WEBGET_GOING)
		return;
	if (id == f->tr && id > 0) {
		f->tr = 0;
		f->why = why;
		failover_not_located(f->fo, id, -1, now);
	} else if (part_of(f, id)) {
		f->why = why;
		if (f->fixed && !f->resumable && id == failover_current(f->fo))
			over(f, WEBGET_BROKEN, object_fixed(&f->object), now);
		else
			failover_lost(f->fo, id, FO_CLOSED, now);
	}
}

void webget_held(struct webget *f, bool held, ns_t now)
{
	f->held = held;
	failover_held(f->fo, held || (f->fixed && !f->resumable), now);
	if (f->fixed && !f->resumable && f->state == WEBGET_GOING)
		f->quiet_at = held ? NS_NEVER : now + PATIENCE;
}

/* ---- time, and what is to be done ---- */

void webget_tick(struct webget *f, ns_t now)
{
	failover_tick(f->fo, now);
	if (now >= f->quiet_at)
		over(f, WEBGET_BROKEN, object_fixed(&f->object), now);
}

ns_t webget_when(const struct webget *f)
{
	ns_t t = failover_when(f->fo);

	return t < f->quiet_at ? t : f->quiet_at;
}

static void part_begin(struct webget *f, const struct failover_action *a)
{
	for (int i = 0; i < FAILOVER_ATTS; i++) {
		struct part *p = &f->part[i];
		struct url u, own;
		if (p->id)
			continue;
		*p = (struct part){.id = a->id, .home = strcmp(a->url, f->home) == 0};
		snprintf(p->url, sizeof p->url, "%s", a->url);
		p->anycast = url_parse(&u, slice_of(a->url)) == 0 &&
		             url_parse(&own, slice_of(f->url)) == 0 &&
		             slice_ieq(u.host, own.host) && u.port == own.port;
		return;
	}
}

enum failover_kind webget_next(struct webget *f, struct failover_action *a)
{
	struct part *p;

	switch (failover_next(f->fo, a)) {
	case FO_TRANSACT: f->tr = a->id; break;
	case FO_ABANDON:
		if (f->tr == a->id)
			f->tr = 0;
		break;
	case FO_ATTACH: part_begin(f, a); break;
	case FO_RELEASE:
		p = part_of(f, a->id);
		if (p)
			p->id = 0;
		break;
	case FO_GIVE_UP:
		if (f->state == WEBGET_GOING)
			f->state = WEBGET_NO_NODE;
		f->quiet_at = NS_NEVER;
		break;
	default: break;
	}
	return a->kind;
}

/* ---- what it is ---- */

enum webget_state webget_state(const struct webget *f)
{
	return f->state;
}

const char *webget_why(const struct webget *f)
{
	return f->why;
}

const struct object *webget_object(const struct webget *f)
{
	return f->fixed ? &f->object : NULL;
}

int64_t webget_delivered(const struct webget *f)
{
	return f->fixed ? f->next - f->object.base : 0;
}

int64_t webget_resumed(const struct webget *f)
{
	return f->resumed;
}

int webget_current(const struct webget *f)
{
	return failover_current(f->fo);
}

bool webget_home_refused(const struct webget *f)
{
	return f->refused;
}

void webget_avoid(const struct webget *f, ns_t now, char *buf, size_t cap)
{
	failover_avoid(f->fo, now, buf, cap);
}

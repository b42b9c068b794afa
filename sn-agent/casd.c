/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/casd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/httpd.h"

#define CONNECTIONS 64

struct casd {
	struct loop *loop;
	struct casd_conf conf;
	const struct channels *channels;
	struct allot allot;
	struct httpd *http;
	struct casd_counters count;
};

static void refuse(struct httpd_answer *a, int status, const char *why)
{
	struct js *o = js_object();

	js_put_str(o, "error", why);
	a->status = status;
	a->text = js_dump(o);
	js_free(o);
}

static bool is_live(const struct casd *d, struct slice path)
{
	const struct channel *ch = channels_find(d->channels, path);

	return ch && ch->state == CHANNEL_LIVE;
}

static bool is_ours(const struct casd *d, const struct addr *anycast)
{
	for (int i = 0; i < d->conf.n_anycast; i++)
		if (prefix_has(&d->conf.anycast[i], anycast))
			return true;
	return false;
}

/* A channel that another node has told of is its path there, and has no number here. */
static bool answer_elsewhere(
	struct casd *d, const struct addr *anycast, struct slice path, struct cas_answer *c)
{
	const struct addr *at = NULL;

	if (d->conf.elsewhere && is_ours(d, anycast) && !is_live(d, path))
		at = d->conf.elsewhere(d->conf.arg, path);
	if (!at)
		return false;
	d->count.elsewhere++;
	c->source = *at;
	addr_set_port(&c->source, addr_port(&d->conf.source));
	return true;
}

static void answer_channel(struct casd *d, struct slice asked, struct httpd_answer *a)
{
	ns_t now = loop_now(d->loop);
	struct cas_answer c = {.source = d->conf.source, .ttl = (unsigned)(d->conf.ttl / NS_S)};
	struct allotment *t;
	struct addr anycast;
	struct slice path;

	if (!asked.p || cas_url_parse(asked, &anycast, &path) || cas_url(&anycast, path, c.url)) {
		d->count.bad++;
		return refuse(a, 400, "expected ?url=rtsp://ADDRESS/PATH");
	}
	while (path.p[path.n - 1] == '/')
		path.n--;
	t = allot_find(&d->allot, c.url);
	if ((!t || !t->fixed) && answer_elsewhere(d, &anycast, path, &c)) {
		a->text = cas_write(&c);
		return;
	}
	if (!t && !(is_ours(d, &anycast) && is_live(d, path))) {
		d->count.unknown++;
		return refuse(a, 404, "no such channel");
	}
	if (!t)
		t = allot_add(&d->allot, c.url, path, now);
	if (!t) {
		d->count.full++;
		return refuse(a, 503, "all channels are allotted");
	}
	d->count.allotted++;
	t->asked = now;
	c.channel = t->number;
	a->text = cas_write(&c);
}

static void on_request(void *arg, const struct httpd_request *r, struct httpd_answer *a)
{
	struct casd *d = arg;

	a->type = "application/json";
	if (strcmp(r->path, "/channel") != 0)
		refuse(a, 404, "expected /channel?url=rtsp://ADDRESS/PATH");
	else
		answer_channel(d, r->query(r, "url"), a);
	a->n = a->text ? strlen(a->text) : 0;
}

/* ---- time ---- */

static bool in_use(void *arg, const char *path)
{
	const struct channel *ch = channels_find(((struct casd *)arg)->channels, slice_of(path));

	return ch && ch->playing > 0;
}

void casd_house_keeping(struct casd *d, ns_t now)
{
	if (d)
		allot_expire(&d->allot, in_use, d, now);
}

/* ---- configuration, life ---- */

int casd_set_conf(struct casd *d, const struct casd_conf *c)
{
	int err = allot_set_conf(&d->allot, c->max, c->lifetime, c->fixed, c->n_fixed);

	if (err)
		return err;
	d->conf = *c;
	d->conf.fixed = NULL;
	return 0;
}

struct casd *casd_new(struct loop *l, const struct addr *at, const struct casd_conf *c,
	const struct channels *channels, int *err)
{
	struct casd *d = calloc(1, sizeof(*d));

	*err = -ENOMEM;
	if (!d)
		return NULL;
	d->loop = l;
	d->channels = channels;
	allot_init(&d->allot);
	*err = casd_set_conf(d, c);
	if (!*err)
		d->http = httpd_new(l, at, CONNECTIONS, on_request, d, err);
	if (*err) {
		casd_free(d);
		return NULL;
	}
	return d;
}

void casd_free(struct casd *d)
{
	if (!d)
		return;
	httpd_free(d->http);
	allot_free(&d->allot);
	free(d);
}

struct allot *casd_allot(struct casd *d)
{
	return &d->allot;
}

/* ---- for operators ---- */

struct js *casd_show(const struct casd *d, ns_t now)
{
	struct js *list = js_array();

	for (int i = 0; d && i < d->allot.n; i++) {
		const struct allotment *t = &d->allot.item[i];
		struct js *o = js_object();

		js_put_int(o, "number", t->number);
		js_put_str(o, "url", t->url);
		js_put_str(o, "path", t->path);
		js_put_bool(o, "configured", t->fixed);
		js_put_bool(o, "live", is_live(d, slice_of(t->path)));
		if (t->asked)
			js_put_real(o, "used_s_ago", (double)(now - t->asked) / NS_S);
		js_push(list, o);
	}
	return list;
}

const struct casd_counters *casd_counters(const struct casd *d)
{
	static const struct casd_counters none;

	return d ? &d->count : &none;
}

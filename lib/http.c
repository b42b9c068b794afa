/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl's multi interface tells which sockets and what time it waits for; both are watched by our
 * loop. Requests that are over are collected when it has returned, so that callbacks may ask anew.
 */
#include "lib/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sbuf.h"

struct watch {
	struct watch *next;
	struct http *owner;
	curl_socket_t fd;
	struct loop_fd *fd_watch;
};

struct transfer {
	struct transfer *next;
	struct http *owner;
	http_cb *cb;
	void *arg;
	CURL *easy;
	struct curl_slist *headers, *resolve;
	char *body;
	size_t n;
	bool large;
	char etag[HTTP_ETAG], modified[HTTP_DATE];
	int64_t first, total; /* Content-Range */
	char error[CURL_ERROR_SIZE];
};

struct http {
	struct loop *loop;
	struct http_conf conf;
	char *ca_file;
	CURLM *multi;
	struct loop_timer *timer;
	struct watch *watches;
	struct transfer *transfers;
	int n;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool library_ok;

static void open_library(void)
{
	library_ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* ---- requests that are over ---- */

static void transfer_free(struct transfer *t)
{
	struct transfer **at = &t->owner->transfers;

	while (*at && *at != t)
		at = &(*at)->next;
	if (*at) {
		*at = t->next;
		t->owner->n--;
	}
	if (t->easy) {
		curl_multi_remove_handle(t->owner->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->resolve);
	free(t->body);
	free(t);
}

static void finish(struct transfer *t, CURLcode result)
{
	struct http_answer a = {.body = {t->body, t->n},
		.etag = t->etag,
		.type = "",
		.modified = t->modified,
		.first = t->first,
		.total = t->total};
	char *type = NULL;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	a.status = (int)status;
	if (!curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type) && type)
		a.type = type;
	if (t->large)
		t->cb(t->arg, "the answer is too large", NULL);
	else if (result != CURLE_OK)
		t->cb(t->arg, *t->error ? t->error : curl_easy_strerror(result), NULL);
	else
		t->cb(t->arg, NULL, &a);
}

static void collect(struct http *h)
{
	struct transfer *t;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		CURLcode result = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finish(t, result);
		transfer_free(t);
	}
}

/* ---- sockets and time ---- */

static void act(struct http *h, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(h->multi, fd, events, &running);
	collect(h);
}

static void on_timer(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(void *arg, int events)
{
	struct watch *w = arg;

	act(w->owner, w->fd,
		(events & LOOP_READ ? CURL_CSELECT_IN : 0) |
			(events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_when(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	loop_timer_at(h->timer, ms < 0 ? NS_NEVER : loop_now(h->loop) + ms * NS_MS);
	return 0;
}

static void watch_free(struct http *h, struct watch *w)
{
	struct watch **at = &h->watches;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	loop_fd_free(w->fd_watch);
	free(w);
}

static struct watch *watch_new(struct http *h, curl_socket_t fd)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct watch){.owner = h, .fd = fd};
	w->fd_watch = loop_fd_new(h->loop, fd, on_ready, w);
	if (!w->fd_watch) {
		free(w);
		return NULL;
	}
	w->next = h->watches;
	h->watches = w;
	return w;
}

/* Without memory for a watcher the request times out. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *h = arg;
	struct watch *w = known;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			watch_free(h, w);
		return 0;
	}
	if (!w) {
		w = watch_new(h, fd);
		if (!w)
			return 0;
		curl_multi_assign(h->multi, fd, w);
	}
	loop_fd_want(w->fd_watch,
		(what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0));
	return 0;
}

/* ---- what comes ---- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	char *grown;

	n *= size;
	if (n > t->owner->conf.body_max - t->n) {
		t->large = true;
		return 0; /* ends it */
	}
	grown = realloc(t->body, t->n + n + 1);
	if (!grown)
		return 0;
	memcpy(grown + t->n, p, n);
	t->body = grown;
	t->n += n;
	return n;
}

/* "bytes FIRST-LAST/TOTAL" (RFC 9110, 14.4), of which the body has to be all. */
static void content_range(struct transfer *t, struct slice v)
{
	struct slice unit = slice_cut(&v, ' '), range = slice_cut(&v, '/');
	struct slice first = slice_cut(&range, '-');
	unsigned long long a, total;

	if (!slice_ieq(unit, SLICE("bytes")) || slice_u64(first, INT64_MAX, &a) ||
		slice_u64(slice_trim(v), INT64_MAX, &total))
		return;
	t->first = (int64_t)a;
	t->total = (int64_t)total;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct slice value = {p, n * size}, name = slice_cut(&value, ':');

	if (slice_ieq(name, SLICE("ETag")))
		slice_copy(slice_trim(value), t->etag, sizeof(t->etag));
	else if (slice_ieq(name, SLICE("Last-Modified")))
		slice_copy(slice_trim(value), t->modified, sizeof(t->modified));
	else if (slice_ieq(name, SLICE("Content-Range")))
		content_range(t, slice_trim(value));
	return n * size;
}

/* ---- asking ---- */

static bool add(struct curl_slist **list, const char *text)
{
	struct curl_slist *more = curl_slist_append(*list, text);

	if (more)
		*list = more;
	return more;
}

/* "host:port:address,address": libcurl asks nobody for that host. */
static bool say_where(struct transfer *t, const struct http_request *r)
{
	char mem[256 + 24 + HTTP_ADDRS * ADDR_STRLEN], text[ADDR_STRLEN];
	struct addr literal;
	struct sbuf b;

	if (addr_parse(&literal, slice_of(r->host), 0) == 0)
		return true;
	sbuf_init(&b, mem, sizeof(mem));
	sbuf_printf(&b, "%s:%u:", r->host, r->port);
	for (int i = 0; i < r->addrs && i < HTTP_ADDRS; i++)
		sbuf_printf(&b, "%s%s", i ? "," : "", addr_urlhost(&r->addr[i], text));
	return !b.full && r->addrs > 0 && add(&t->resolve, mem);
}

static bool set_up(struct transfer *t, const struct http_request *r)
{
	const struct http_conf *c = &t->owner->conf;
	char line[HTTP_ETAG + 32];
	CURL *e = t->easy;
	bool ok = say_where(t, r);

	if (r->etag && *r->etag) {
		snprintf(line, sizeof(line), "If-None-Match: %s", r->etag);
		ok = ok && add(&t->headers, line);
	}
	snprintf(line, sizeof(line), "Accept: %s", r->accept ? r->accept : "application/json");
	ok = ok && add(&t->headers, line);
	if (r->ranged) {
		snprintf(line, sizeof(line), "%lld-%lld", (long long)r->first, (long long)r->last);
		ok = ok && !curl_easy_setopt(e, CURLOPT_RANGE, line);
	}
	ok = ok && !curl_easy_setopt(e, CURLOPT_URL, r->url);
	ok = ok && !curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	if (*t->owner->ca_file)
		ok = ok && !curl_easy_setopt(e, CURLOPT_CAINFO, t->owner->ca_file);
	curl_easy_setopt(e, CURLOPT_RESOLVE, t->resolve);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(c->timeout / NS_MS));
	curl_easy_setopt(e, CURLOPT_USERAGENT, "nearcast/" PACKAGE_VERSION);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	return ok;
}

int http_get(struct http *h, const struct http_request *r, http_cb *cb, void *arg)
{
	struct transfer *t;

	if (h->n >= h->conf.concurrent)
		return -EBUSY;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct transfer){.owner = h,
		.cb = cb,
		.arg = arg,
		.easy = curl_easy_init(),
		.first = -1,
		.total = -1};
	if (!t->easy || !set_up(t, r) || curl_multi_add_handle(h->multi, t->easy) != CURLM_OK) {
		transfer_free(t);
		return -EINVAL;
	}
	t->next = h->transfers;
	h->transfers = t;
	h->n++;
	return 0;
}

/* ---- life ---- */

struct http *http_new(struct loop *l, const struct http_conf *c)
{
	struct http *h = calloc(1, sizeof(*h));

	pthread_once(&once, open_library);
	if (!h)
		return NULL;
	h->loop = l;
	h->conf = *c;
	h->conf.ca_file = NULL;
	h->ca_file = strdup(c->ca_file);
	h->timer = loop_timer_new(l, on_timer, h);
	h->multi = library_ok ? curl_multi_init() : NULL;
	if (!h->ca_file || !h->timer || !h->multi) {
		http_free(h);
		return NULL;
	}
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_when);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)c->concurrent);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->transfers)
		transfer_free(h->transfers);
	if (h->multi)
		curl_multi_cleanup(h->multi);
	while (h->watches)
		watch_free(h, h->watches);
	loop_timer_free(h->timer);
	free(h->ca_file);
	free(h);
}

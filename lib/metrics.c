/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics in Prometheus' text format 0.0.4. Whoever counts does it in its own plain variable; the
 * tables only point there, so a count costs one increment and nothing is kept twice.
 */
#include "lib/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/httpd.h"

#define CONNECTIONS_MAX 16
#define TEXT_FIRST      (16 << 10)
#define TEXT_MAX        (16 << 20)

struct metrics {
	const struct metric **metric;
	size_t n;
	struct httpd *http;
};

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

void metrics_add(struct metrics *m, const struct metric *table, int n)
{
	m->metric = reallocarray(m->metric, m->n + (size_t)n, sizeof(*m->metric));
	if (!m->metric)
		abort(); /* at start-up only */
	for (int i = 0; i < n; i++)
		m->metric[m->n++] = &table[i];
}

static void write_value(const struct metric *m, struct sbuf *out)
{
	uint64_t v = m->value ? *m->value : m->read(m->arg);

	if (m->labels && *m->labels)
		sbuf_printf(out, "%s{%s} %" PRIu64 "\n", m->name, m->labels, v);
	else
		sbuf_printf(out, "%s %" PRIu64 "\n", m->name, v);
}

/* Whether one of that name stands before the i-th. */
static bool seen_before(const struct metrics *m, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (strcmp(m->metric[k]->name, m->metric[i]->name) == 0)
			return true;
	}
	return false;
}

void metrics_write(const struct metrics *m, struct sbuf *out)
{
	/* The format wants all lines of one name together. */
	for (size_t i = 0; i < m->n; i++) {
		const struct metric *first = m->metric[i];

		if (seen_before(m, i))
			continue;
		sbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", first->name, first->help,
			first->name, first->kind == METRIC_COUNTER ? "counter" : "gauge");
		for (size_t k = i; k < m->n; k++) {
			if (strcmp(m->metric[k]->name, first->name) == 0)
				write_value(m->metric[k], out);
		}
	}
}

/* All of it in memory that is to be freed; NULL without memory. */
static char *write_text(const struct metrics *m, size_t *n)
{
	for (size_t cap = TEXT_FIRST; cap <= TEXT_MAX; cap *= 2) {
		char *text = malloc(cap);
		struct sbuf b;

		if (!text)
			return NULL;
		sbuf_init(&b, text, cap);
		metrics_write(m, &b);
		if (!b.full) {
			*n = b.n;
			return text;
		}
		free(text);
	}
	return NULL;
}

static void on_request(void *arg, const struct httpd_request *r, struct httpd_answer *a)
{
	static const char not_found[] = "Metrics are at /metrics\n";

	if (strcmp(r->path, "/metrics") != 0) {
		a->status = 404;
		a->text = strdup(not_found);
		a->n = sizeof(not_found) - 1;
		return;
	}
	a->type = "text/plain; version=0.0.4; charset=utf-8";
	a->text = write_text(arg, &a->n);
}

int metrics_serve(struct metrics *m, struct loop *l, const struct addr *at)
{
	int err;

	m->http = httpd_new(l, at, CONNECTIONS_MAX, on_request, m, &err);
	return err;
}

uint16_t metrics_port(const struct metrics *m)
{
	return m->http ? httpd_port(m->http) : 0;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	httpd_free(m->http);
	free(m->metric);
	free(m);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes that channels are subscribed at: configured ones, origins, neighbours of the overlay. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "sn-agent/feed_impl.h"
#include "sn-agent/sources.h"

/* ---- the upstream nodes ---- */

static void node_up(void *arg, bool up)
{
	struct node *n = arg;

	n->source->nodes.up[n->index] = up;
	log_msg(up ? NLOG_INFO : NLOG_REMOTE, "upstream %s %s", n->name,
		up ? "answers" : "does not answer");
	struct js *e = js_object();
	js_put_str(e, "upstream", n->name);
	event_emit(up ? "upstream_up" : "upstream_down", loop_now(n->source->fs->loop), e);
}

static int set_nodes(struct source *so, const struct feed_node *node, int n)
{
	struct feeds *fs = so->fs;

	for (int i = 0; i < UPSTREAM_NODES; i++) {
		struct node *x = &so->node[i];

		if (i < n && x->warm && addr_cmp(&x->addr, &node[i].addr) == 0 &&
			strcmp(x->name, node[i].name) == 0)
			continue;
		warm_free(x->warm);
		*x = (struct node){.source = so, .index = i};
		so->nodes.up[i] = false;
		if (i >= n)
			continue;
		snprintf(x->name, sizeof(x->name), "%s", node[i].name);
		x->addr = node[i].addr;
		x->local = fs->addr;
		x->warm = warm_new(fs->loop, &x->addr, &x->local, fs->software, node_up, x);
		if (!x->warm)
			return -ENOMEM;
	}
	so->nodes.n = n;
	return 0;
}

static void source_free(struct source *so)
{
	struct source **p;

	for (p = &so->fs->origins; *p != so; p = &(*p)->next)
		;
	*p = so->next;
	set_nodes(so, NULL, 0);
	free(so);
}

void feed_source_unref(struct source *so)
{
	if (*so->key && --so->refs == 0)
		source_free(so);
}

struct source *feed_source_find(struct feeds *fs, const char *key)
{
	struct source *so = fs->origins;

	if (!*key)
		return &fs->own;
	if (*key == '@')
		return &fs->overlay;
	while (so && strcmp(so->key, key))
		so = so->next;
	return so;
}

struct feeds *feeds_new(struct loop *l, const char *name, const char *software,
	const struct addr *addr, struct channels *channels, struct relay *relay,
	const struct feed_ops *ops, void *arg)
{
	struct feeds *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	*fs = (struct feeds){.loop = l,
		.name = name,
		.software = software,
		.addr = *addr,
		.channels = channels,
		.relay = relay,
		.ops = ops,
		.arg = arg,
		.failures = LOG_LIMIT_INIT};
	addr_set_port(&fs->addr, 0);
	fs->own.fs = fs->overlay.fs = fs;
	fs->overlay.nodes.n = UPSTREAM_NODES; /* places for them */
	return fs;
}

void feeds_free(struct feeds *fs)
{
	if (!fs)
		return;
	while (fs->first)
		feed_free(fs->first);
	while (fs->origins)
		source_free(fs->origins);
	set_nodes(&fs->own, NULL, 0);
	set_nodes(&fs->overlay, NULL, 0);
	free(fs);
}

int feeds_set_nodes(struct feeds *fs, const struct feed_node *node, int n)
{
	return set_nodes(&fs->own, node, n);
}

int feeds_set_origin(struct feeds *fs, const char *key, const struct addr *at, int n, bool hold)
{
	struct feed_node node[UPSTREAM_NODES];
	struct source *so = feed_source_find(fs, key);
	char text[ADDR_STRLEN];
	int nodes = 0;

	if (!so) {
		so = calloc(1, sizeof(*so));
		if (!so)
			return -ENOMEM;
		so->fs = fs;
		snprintf(so->key, sizeof(so->key), "%s", key);
		so->next = fs->origins;
		fs->origins = so;
	}
	for (int i = 0; i < n && nodes < UPSTREAM_NODES; i++) {
		if (at[i].sa.sa_family != fs->addr.sa.sa_family)
			continue;
		snprintf(node[nodes].name, sizeof(node[nodes].name), "%.63s",
			addr_str(&at[i], text));
		node[nodes++].addr = at[i];
	}
	so->refs += hold;
	return set_nodes(so, node, nodes);
}

void feeds_drop_origin(struct feeds *fs, const char *key)
{
	struct source *so = feed_source_find(fs, key);

	if (so)
		feed_source_unref(so);
}

int feeds_set_neighbour(
	struct feeds *fs, int index, const struct feed_node *node, const struct addr *local)
{
	struct node *n = &fs->overlay.node[index];

	warm_free(n->warm);
	*n = (struct node){.source = &fs->overlay, .index = index};
	fs->overlay.nodes.up[index] = false;
	if (!node) {
		feed_forsake(fs, index);
		return 0;
	}
	snprintf(n->name, sizeof(n->name), "%s", node->name);
	n->addr = node->addr;
	n->local = *local;
	n->warm = warm_new(fs->loop, &n->addr, &n->local, fs->software, node_up, n);
	return n->warm ? 0 : -ENOMEM;
}

bool feeds_neighbour_up(const struct feeds *fs, int index)
{
	return fs->overlay.nodes.up[index];
}

static int channels_from(const struct source *so, int index)
{
	int channels = 0;

	for (const struct feed *f = so->fs->first; f; f = f->next)
		channels += f->source == so && f->core.active >= 0 &&
		            f->core.node[f->core.active] == index;
	return channels;
}

int feeds_neighbour_channels(const struct feeds *fs, int index)
{
	return channels_from(&fs->overlay, index);
}

void feeds_reroute(struct feeds *fs)
{
	for (struct feed *f = fs->first; f; f = f->next)
		if (f->routed) {
			upstream_route(&f->core, fs->ops->route(fs->arg, &f->toward), feed_now(f));
			/* What it says is done from the loop: a feed may be freed by that. */
			loop_timer_at(f->timer, feed_now(f));
		}
}

static void show_source(const struct source *so, struct js *list)
{
	char text[ADDR_STRLEN];

	for (int i = 0; i < so->nodes.n; i++) {
		const struct node *n = &so->node[i];
		struct js *o = js_object();

		js_put_str(o, "name", n->name);
		js_put_str(o, "address", addr_str(&n->addr, text));
		if (*so->key)
			js_put_str(o, "origin", so->key);
		js_put_bool(o, "up", so->nodes.up[i]);
		js_put_real(o, "rtt_ms", n->warm ? (double)warm_rtt(n->warm) / NS_MS : 0);
		js_put_int(o, "channels", channels_from(so, i));
		js_push(list, o);
	}
}

struct js *feeds_show(struct feeds *fs)
{
	struct js *a = js_array();

	show_source(&fs->own, a);
	for (const struct source *so = fs->origins; so; so = so->next)
		show_source(so, a);
	return a;
}

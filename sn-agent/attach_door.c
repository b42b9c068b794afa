/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/attach_door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/attach.h"
#include "lib/event.h"
#include "lib/http.h"
#include "lib/log.h"
#include "sn-agent/attached.h"
#include "sn-agent/sender.h"

#define ANSWER  (2 * NS_S) /* of the anycast address */
#define BODY    1024
#define SENDERS 256 /* nodes that ask and that answer */
#define TYPES   (WIRE_BIT(WIRE_ATTACH) | WIRE_BIT(WIRE_ATTACHED))

struct attach_door {
	struct agent *agent;
	struct sender sender; /* used if attach.anycast is given */
	struct attached attached;
	struct http *http;
	uint32_t published; /* a hash of what was said last */
	struct attach_counters count;
	struct log_limit log;
};

static void run(struct attach_door *d);

static bool is_sender(const struct attach_door *d)
{
	return d->agent->conf.attach.anycast.sa.sa_family != 0;
}

static ns_t now_of(const struct attach_door *d)
{
	return loop_now(d->agent->loop);
}

/* ---- tunnels: those of configured neighbours are the configuration's ---- */

static bool is_neighbour(const struct agent *a, const char *name)
{
	const struct sn_conf_neighbour *n = a->conf.neighbours.item;

	for (int i = 0; i < a->conf.neighbours.n; i++)
		if (!strcmp(n[i].name, name))
			return true;
	return false;
}

static int make_end(struct attach_door *d, const char *name, const struct addr *address)
{
	return is_neighbour(d->agent, name) ? 0 : overlay_add(d->agent->overlay, name, address, 0);
}

static void remove_end(struct attach_door *d, const char *name)
{
	if (!is_neighbour(d->agent, name))
		overlay_remove(d->agent->overlay, name);
}

/* end: "source" when this node is the source's, "network" when the other one is. why NULL: attached. */
static void say(struct attach_door *d, const char *node, const char *end, const char *why)
{
	bool here = !strcmp(end, "network");
	struct js *o = js_object();

	log_msg(NLOG_INFO, "%s is %s %s%s%s", here ? node : "this node",
		why ? "detached from" : "attached to", here ? "this node" : node, why ? ": " : "",
		why ? why : "");
	js_put_str(o, "node", node);
	js_put_str(o, "end", end);
	if (why)
		js_put_str(o, "reason", why);
	event_emit(why ? "detached" : "attached", now_of(d), o);
	if (why)
		d->count.detached++;
	else
		d->count.attached++;
	announcer_now(d->agent->announcer);
}

/* ---- this node is the source's ---- */

static void on_node(void *arg, const char *why, const struct http_answer *a)
{
	struct attach_door *d = arg;
	char node[ANNOUNCE_ID_LEN], text[ADDR_STRLEN], wrong[160] = "";
	struct addr control;

	if (!why && a->status != 200)
		snprintf(wrong, sizeof(wrong), "it answers %d", a->status);
	else if (!why)
		attach_node_read(a->body, node, &control, wrong);
	if (why || *wrong) {
		log_limited(&d->log, NLOG_WARN, "%s was asked where to attach: %s",
			addr_str(&d->agent->conf.attach.anycast, text), why ? why : wrong);
		sender_told(&d->sender, NULL, NULL, now_of(d));
	} else {
		log_msg(NLOG_DEBUG, "asked to attach to %s at %s", node, addr_str(&control, text));
		sender_told(&d->sender, node, &control, now_of(d));
	}
	run(d);
}

static void ask_anycast(struct attach_door *d, const char *avoid)
{
	const struct addr *at = &d->agent->conf.attach.anycast;
	char url[ADDR_STRLEN + SENDER_LIST + 64], text[ADDR_STRLEN], host[ADDR_STRLEN];
	struct http_request r = {.url = url,
		.host = addr_host(at, host),
		.port = addr_port(at),
		.addr = at,
		.addrs = 1};

	d->count.asked++;
	snprintf(url, sizeof(url), "http://%s:%u" ATTACH_PATH "%s%s", addr_urlhost(at, text),
		r.port, *avoid ? "?avoid=" : "", avoid);
	if (http_get(d->http, &r, on_node, d))
		sender_told(&d->sender, NULL, NULL, now_of(d));
}

static bool is_published(const struct channel *ch)
{
	return ch->local && ch->state == CHANNEL_LIVE && ch->listed;
}

static int list_channels(const struct agent *a, struct attach_ask *ask)
{
	for (const struct channel *ch = a->channels.first; ch; ch = ch->next)
		if (is_published(ch) && ask->channels < ATTACH_CHANNELS)
			memcpy(ask->channel[ask->channels++], ch->path, sizeof(ch->path));
	return ask->channels;
}

static uint32_t hash_channels(const struct agent *a)
{
	uint32_t h = 0;

	for (const struct channel *ch = a->channels.first; ch; ch = ch->next)
		if (is_published(ch))
			h ^= announce_channel(slice_of(ch->path)) | 1;
	return h;
}

static void send_ask(struct attach_door *d, struct attach_ask *ask)
{
	uint8_t payload[WIRE_MAX];
	char text[ADDR_STRLEN];
	int n;

	list_channels(d->agent, ask);
	/* What does not fit into a datagram is left out. */
	while ((n = attach_ask_encode(ask, payload, WIRE_MAX - WIRE_OVERHEAD)) == -EMSGSIZE &&
		ask->channels)
		ask->channels--;
	if (n > 0)
		n = primes_send(d->agent->primes, WIRE_ATTACH, payload, (size_t)n, &ask->to);
	if (n < 0)
		log_limited(&d->log, NLOG_WARN, "%s cannot be asked to attach: %s",
			addr_str(&ask->to, text), strerror(-n));
}

static void open_end(struct attach_door *d, const struct sender_act *act)
{
	if (make_end(d, act->node, &act->address))
		sender_failed(&d->sender, act->node, now_of(d));
	else
		say(d, act->node, "source", NULL);
}

/* All that the core wants done now. */
static void run(struct attach_door *d)
{
	struct sender_act act;

	while (is_sender(d) && sender_next(&d->sender, &act, now_of(d)) != SENDER_NOTHING) {
		switch (act.what) {
		case SENDER_ASK: ask_anycast(d, act.avoid); break;
		case SENDER_SEND: send_ask(d, &act.ask); break;
		case SENDER_OPEN: open_end(d, &act); break;
		case SENDER_LOSE: say(d, act.node, "source", act.why); break;
		case SENDER_CLOSE: remove_end(d, act.node); break;
		case SENDER_NOTHING: break;
		}
	}
}

static void on_answer(struct attach_door *d, const struct wire_view *v, const struct addr *from)
{
	struct attach_answer a;
	char text[ADDR_STRLEN];
	const char *why;

	if (attach_answer_decode(&a, v->payload, v->len, &why)) {
		d->count.bad++;
		log_limited(
			&d->log, NLOG_REMOTE, "%s: answer refused: %s", addr_str(from, text), why);
		return;
	}
	if (wire_sender_id(a.from) != v->sender || !is_sender(d) ||
		!sender_heard(&d->sender, &a, now_of(d))) {
		d->count.bad++;
		return;
	}
	if (a.status > ATTACH_GENERATION)
		log_limited(&d->log, NLOG_INFO, "%s does not have this node attached: %s", a.from,
			attach_status_str(a.status));
	run(d);
}

static void watch_tunnels(struct attach_door *d, ns_t now)
{
	for (int i = 0; i < SENDER_REGISTRY; i++) {
		const struct sender_hold *h = &d->sender.hold[i];

		if (h->used && h->open)
			sender_tunnel(
				&d->sender, h->name, overlay_up(d->agent->overlay, h->name), now);
	}
}

/* ---- others are attached here ---- */

static bool is_configured(const struct agent *a, const struct attach_ask *ask)
{
	const struct sn_conf_neighbour *n = a->conf.neighbours.item;

	for (int i = 0; i < a->conf.neighbours.n; i++)
		if (addr_same_host(&n[i].address, &ask->address))
			return true;
	return is_neighbour(a, ask->from) || addr_same_host(&a->conf.address, &ask->address) ||
	       addr_same_host(&a->conf.overlay.address, &ask->overlay);
}

static void forget(struct attach_door *d, const struct attached_node *x, const char *why)
{
	if (!x->tunnel)
		return;
	remove_end(d, x->name);
	say(d, x->name, "network", why);
}

static void open_here(struct attach_door *d, const struct attached_node *x, bool is_new,
	struct attach_answer *out)
{
	int err = make_end(d, x->name, &x->address);

	if (err) {
		attached_undo(&d->attached, x->name);
		if (!is_new)
			forget(d, x, attach_status_str(ATTACH_NO_TUNNEL));
		out->status = err == -ENOSPC ? ATTACH_FULL : ATTACH_NO_TUNNEL;
		return;
	}
	overlay_set_end(d->agent->overlay, x->name, &x->overlay);
	if (is_new)
		say(d, x->name, "network", NULL);
}

static void on_ask(struct attach_door *d, const struct wire_view *v, const struct addr *from)
{
	struct attach_answer out;
	struct attached_node x;
	uint8_t payload[WIRE_MAX];
	struct attach_ask ask;
	char text[ADDR_STRLEN];
	const char *why = NULL;
	int n;

	if (attach_ask_decode(&ask, v->payload, v->len, &why) == 0 &&
		wire_sender_id(ask.from) != v->sender)
		why = "sealed by another";
	if (!why && addr_cmp(&ask.to, &d->attached.conf.control))
		why = "meant for another node";
	if (why) {
		d->count.bad++;
		log_limited(&d->log, NLOG_REMOTE, "%s: attachment refused: %s",
			addr_str(from, text), why);
		return;
	}
	switch (attached_ask(
		&d->attached, &ask, is_configured(d->agent, &ask), now_of(d), &out, &x)) {
	case ATTACHED_OPEN: open_here(d, &x, true, &out); break;
	case ATTACHED_KEEP: open_here(d, &x, false, &out); break;
	case ATTACHED_CLOSE: forget(d, &x, "it says so"); break;
	case ATTACHED_ANSWER: break;
	}
	if (out.status > ATTACH_GENERATION) {
		d->count.refused++;
		log_limited(&d->log, NLOG_REMOTE, "%s is not attached: %s", ask.from,
			attach_status_str(out.status));
	}
	n = attach_answer_encode(&out, payload, sizeof(payload));
	if (n > 0)
		n = primes_send(d->agent->primes, WIRE_ATTACHED, payload, (size_t)n, from);
	if (n < 0)
		log_limited(
			&d->log, NLOG_WARN, "answer to %s: %s", addr_str(from, text), strerror(-n));
}

static void on_message(void *arg, const struct wire_view *v, const struct udp_msg *m)
{
	struct attach_door *d = arg;

	if (v->type == WIRE_ATTACH)
		on_ask(d, v, &m->from);
	else
		on_answer(d, v, &m->from);
}

/* ---- time, life ---- */

void attach_door_tick(struct attach_door *d, ns_t now)
{
	struct attached_node x;
	uint32_t published;

	if (!d)
		return;
	d->attached.conf.draining = d->agent->rtsp.draining;
	while (attached_expire(&d->attached, now, &x))
		forget(d, &x, "it was not heard of again");
	if (!is_sender(d))
		return;
	published = hash_channels(d->agent);
	if (published != d->published) {
		d->published = published;
		sender_publishes(&d->sender, now);
	}
	watch_tunnels(d, now);
	run(d);
}

void attach_door_set_conf(struct agent *a)
{
	struct attach_door *d = a->attach;
	struct attached_conf *c;

	if (!d)
		return;
	c = &d->attached.conf;
	*c = (struct attached_conf){.control = a->conf.address,
		.family = a->conf.overlay.address.sa.sa_family,
		.generation = primes_generation(a->primes),
		.max = (int)a->conf.attachments.max,
		.registers = a->casd != NULL,
		.draining = a->rtsp.draining,
		.registry = a->conf.attachments.registry};
	addr_set_port(&c->control, (uint16_t)a->conf.prime.port);
	memcpy(c->name, a->conf.name, sizeof(c->name));
}

int attach_door_open(struct agent *a)
{
	const struct http_conf hc = {
		.timeout = ANSWER, .body_max = BODY, .concurrent = 1, .ca_file = ""};
	struct sender_conf sc = {.address = a->conf.address,
		.overlay = a->conf.overlay.address,
		.refresh = a->conf.attach.refresh};
	struct attach_door *d;

	if (!a->primes)
		return 0;
	d = calloc(1, sizeof(*d));
	if (d)
		d->http = http_new(a->loop, &hc);
	if (!d || !d->http) {
		free(d);
		log_msg(NLOG_ERROR, "attachments: %s", strerror(ENOMEM));
		return EX_UNAVAILABLE;
	}
	d->agent = a;
	d->log = (struct log_limit)LOG_LIMIT_INIT;
	a->attach = d;
	attach_door_set_conf(a);
	memcpy(sc.name, a->conf.name, sizeof(sc.name));
	sender_init(&d->sender, &sc, primes_generation(a->primes));
	if (primes_listen(a->primes, TYPES, SENDERS, on_message, d)) {
		log_msg(NLOG_ERROR, "attachments: %s", strerror(ENOMEM));
		return EX_UNAVAILABLE;
	}
	return 0;
}

void attach_door_free(struct attach_door *d)
{
	if (!d)
		return;
	sender_stop(&d->sender);
	run(d);
	primes_unlisten(d->agent->primes, d);
	http_free(d->http);
	free(d);
}

/* ---- what others want to know ---- */

bool attach_door_takes(const struct attach_door *d)
{
	return d && attached_room(&d->attached);
}

int attach_door_neighbours(const struct attach_door *d, const char **name, int max)
{
	int n = 0;

	for (int i = 0; d && i < SENDER_REGISTRY && n < max; i++)
		if (d->sender.hold[i].used && d->sender.hold[i].open)
			name[n++] = d->sender.hold[i].name;
	for (int i = 0; d && i < d->attached.n && n < max; i++)
		if (d->attached.node[i].tunnel)
			name[n++] = d->attached.node[i].name;
	return n;
}

const struct addr *attach_door_source(void *agent, struct slice path)
{
	const struct agent *a = agent;

	return a->attach ? attached_source(&a->attach->attached, path, loop_now(a->loop)) : NULL;
}

static struct js *show_attached(const struct attached_node *x, ns_t now)
{
	struct js *o = js_object(), *paths = js_array();
	char text[ADDR_STRLEN];

	js_put_str(o, "node", x->name);
	js_put_str(o, "address", addr_host(&x->address, text));
	js_put_str(o, "overlay", addr_host(&x->overlay, text));
	js_put_bool(o, "tunnel", x->tunnel);
	js_put_real(o, "left_s", (double)(x->until - now) / NS_S);
	for (int i = 0; i < x->channels; i++)
		js_push_str(paths, x->channel[i]);
	js_put(o, "channels", paths);
	return o;
}

void attach_door_show(const struct attach_door *d, struct js *out)
{
	static const char *const roles[SENDER_ROLES] = {"node", "left", "registry"};
	struct js *here = js_array(), *to = js_array();
	char text[ADDR_STRLEN];

	for (int i = 0; d && i < d->attached.n; i++)
		js_push(here, show_attached(&d->attached.node[i], now_of(d)));
	for (int i = 0; d && i < SENDER_ROLES; i++) {
		const struct sender_hold *h = &d->sender.hold[i];
		struct js *o;

		if (!h->used)
			continue;
		o = js_object();
		js_put_str(o, "node", h->name);
		js_put_str(o, "control", addr_str(&h->control, text));
		js_put_str(o, "as", roles[i]);
		js_put_bool(o, "granted", h->granted);
		js_put_bool(o, "draining", h->draining);
		if (h->granted)
			js_put_real(o, "heard_s_ago", (double)(now_of(d) - h->heard) / NS_S);
		js_push(to, o);
	}
	js_put(out, "attached_to", to);
	js_put(out, "attached", here);
}

int attach_door_here(const struct attach_door *d)
{
	return d ? attached_tunnels(&d->attached) : 0;
}

int attach_door_channels(const struct attach_door *d)
{
	int n = 0;

	for (int i = 0; d && i < d->attached.n; i++)
		n += d->attached.node[i].channels;
	return n;
}

bool attach_door_attached(const struct attach_door *d)
{
	return d && sender_attached(&d->sender);
}

const struct attach_counters *attach_door_counters(const struct attach_door *d)
{
	static const struct attach_counters none;

	return d ? &d->count : &none;
}

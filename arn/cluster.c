/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/cluster.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/log.h"

struct cluster {
	struct loop *loop;
	struct cluster_conf conf;
	void (*cb)(void *arg);
	void *arg;
	struct discovery *discovery; /* NULL: not started, or said goodbye */
	struct election election;
	struct peers *peers;
	struct wire_sender sender;
	struct loop_timer *announce, *step;
	struct cluster_counters count;
	struct log_limit trouble;
};

static void say(struct cluster *c, enum wire_type type)
{
	uint8_t payload[WIRE_MAX], sealed[WIRE_MAX];
	struct announce a;
	int n;

	if (!c->discovery)
		return;
	election_announce(&c->election, &a);
	a.peer_port = peers_port(c->peers);
	n = announce_encode(&a, payload, sizeof(payload));
	if (n > 0)
		n = wire_seal(&c->sender, type, payload, (size_t)n, clock_wall(), sealed);
	if (n > 0)
		n = discovery_send(c->discovery, sealed, (size_t)n);
	if (n == 0)
		c->count.sent++;
	else if (a.addr.sa.sa_family != AF_UNSPEC) /* else it was told when the address went */
		log_limited(
			&c->trouble, NLOG_WARN, "announcement to the other ARNs: %s", strerror(-n));
}

static void on_announce(void *arg)
{
	struct cluster *c = arg;

	say(c, WIRE_ANNOUNCE);
	loop_timer_at(c->announce, loop_now(c->loop) + c->conf.election.interval);
}

static void tell(struct cluster *c, ns_t now)
{
	const struct election *e = &c->election;
	struct js *o;

	log_msg(NLOG_INFO, "%s: %s%s%s", e->master ? "master" : "backup", e->reason,
		e->master || !*e->ruler ? "" : "; master is ", e->master ? "" : e->ruler);
	if (event_wanted()) {
		o = js_object();
		js_put_str(o, "reason", e->reason);
		js_put_str(o, "master", *e->ruler ? e->ruler : NULL);
		event_emit(e->master ? "master" : "backup", now, o);
	}
	c->cb(c->arg);
}

static void step(struct cluster *c)
{
	bool was = c->election.master, news;
	uint64_t owned = c->election.owned;
	ns_t now = loop_now(c->loop);

	if (!c->discovery)
		return;
	news = election_step(&c->election, now);
	/* The block comes up before the others hear of it. */
	if (c->election.master != was) {
		c->count.elected += c->election.master;
		tell(c, now);
	} else if (c->election.owned != owned) {
		c->cb(c->arg);
	}
	if (news)
		on_announce(c);
	loop_timer_at(c->step, election_when(&c->election, now));
}

static void on_step(void *arg)
{
	step(arg);
}

/* The interface's addresses come from the kernel with the primary ones first. One that means
 * something beyond the link goes before one that does not, the block's family before the other. */
static int rank(const struct addr *a, int family)
{
	bool local = a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr);

	return (a->sa.sa_family != family) * 2 + local;
}

static struct addr find_addr(const struct cluster_conf *c)
{
	int family = c->election.block.addr.sa.sa_family, best = 4;
	struct addr found = c->addr, a;
	struct ifaddrs *list, *i;

	if (found.sa.sa_family != AF_UNSPEC || getifaddrs(&list) < 0)
		return found;
	for (i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || strcmp(i->ifa_name, c->interface) ||
			(i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memset(&a, 0, sizeof(a));
		memcpy(&a, i->ifa_addr,
			i->ifa_addr->sa_family == AF_INET ? sizeof(a.in) : sizeof(a.in6));
		if (rank(&a, family) < best) {
			best = rank(&a, family);
			found = a;
		}
	}
	freeifaddrs(list);
	return found;
}

void cluster_look(void *cluster)
{
	struct cluster *c = cluster;
	struct addr was = c->election.addr, now = find_addr(&c->conf);
	char text[ADDR_STRLEN];

	election_set_addr(&c->election, &now);
	peers_listen(c->peers, &c->election.addr);
	if (addr_cmp(&was, &c->election.addr) == 0)
		return;
	if (now.sa.sa_family == AF_UNSPEC)
		log_msg(NLOG_WARN, "no address on %s: the other ARNs cannot be told of this one",
			c->conf.interface);
	else
		log_msg(NLOG_INFO, "among the ARNs this one is %s",
			addr_host(&c->election.addr, text));
	step(c);
}

int cluster_hear(void *cluster, const struct announce *a, enum wire_type type)
{
	struct cluster *c = cluster;
	int err = 0;

	if (type == WIRE_GOODBYE)
		err = election_goodbye(&c->election, a->id) ? 0 : -ENOENT;
	else
		err = election_hear(&c->election, a, loop_now(c->loop));
	if (!err && type == WIRE_ANNOUNCE)
		peers_heard(c->peers, a);
	step(c);
	return err;
}

static void on_lost(void *arg, const char *id)
{
	struct cluster *c = arg;

	if (election_doubt(&c->election, id, loop_now(c->loop)))
		step(c);
}

struct cluster *cluster_new(
	struct loop *l, const struct cluster_conf *conf, void (*cb)(void *arg), void *arg)
{
	struct cluster *c = calloc(1, sizeof(*c));
	struct peers_conf pc;

	if (!c)
		return NULL;
	*c = (struct cluster){
		.loop = l, .conf = *conf, .cb = cb, .arg = arg, .trouble = LOG_LIMIT_INIT};
	pc = (struct peers_conf){.name = conf->name,
		.interface = conf->interface,
		.port = conf->port,
		.skew = conf->skew,
		.keys = conf->keys,
		.election = &c->election,
		.lost = on_lost,
		.arg = c};
	c->peers = peers_new(l, &pc);
	election_init(&c->election, &conf->election, conf->name, loop_now(l));
	wire_sender_init(&c->sender, conf->keys, conf->name, clock_wall());
	c->announce = loop_timer_new(l, on_announce, c);
	c->step = loop_timer_new(l, on_step, c);
	if (!c->peers || !c->announce || !c->step) {
		cluster_free(c);
		return NULL;
	}
	return c;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	loop_timer_free(c->announce);
	loop_timer_free(c->step);
	peers_free(c->peers);
	free(c);
}

void cluster_start(struct cluster *c, struct discovery *d)
{
	c->discovery = d;
	cluster_look(c);
	on_announce(c);
	step(c);
}

void cluster_set_able(struct cluster *c, bool able)
{
	election_set_able(&c->election, able);
	step(c);
}

void cluster_set_misses(struct cluster *c, int misses)
{
	c->conf.election.misses = misses;
	election_set_conf(&c->election, &c->conf.election);
}

void cluster_goodbye(struct cluster *c)
{
	say(c, WIRE_GOODBYE);
	loop_timer_at(c->announce, NS_NEVER);
	loop_timer_at(c->step, NS_NEVER);
	c->discovery = NULL;
}

const struct election *cluster_election(const struct cluster *c)
{
	return &c->election;
}

const struct peers *cluster_peers(const struct cluster *c)
{
	return c->peers;
}

const struct cluster_counters *cluster_counters(const struct cluster *c)
{
	return &c->count;
}

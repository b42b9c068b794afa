/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/discovery.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netlink.h"
#include "lib/udp.h"

#define LOSSES NS_S /* for so long after datagrams were lost silence proves nothing */

struct discovery {
	struct loop *loop;
	struct discovery_conf conf;
	struct directory *directory;
	struct wire_receiver *receiver;
	struct nlwatch *links;
	struct loop_timer *expiry;
	int fd; /* of the group, -1: not joined */
	unsigned ifindex;
	struct loop_fd *watch;
	struct discovery_counters count;
	uint32_t drops; /* of the socket, at the last look */
	ns_t lost_at;   /* when they were seen to grow, 0: never */
	struct log_limit log, log_lost;
	struct udp_msg batch[UDP_BATCH];
};

/* One line for all that is refused: who, where, what. */
static void refuse(struct discovery *d, const struct addr *from, uint64_t *counter,
	const char *what, const char *id)
{
	char peer[ADDR_STRLEN];

	(*counter)++;
	log_limited(&d->log, NLOG_REMOTE, "%s on %s: announcement%s%s refused: %s",
		addr_str(from, peer), d->conf.interface, id ? " of " : "", id ? id : "", what);
}

static void on_arn(
	struct discovery *d, const struct udp_msg *m, const struct announce *a, enum wire_type type)
{
	int err = d->conf.on_arn(d->conf.arg, a, type);

	if (err == -ENOSPC)
		refuse(d, &m->from, &d->count.table_full, "too many ARNs", a->id);
	else if (err)
		d->count.ignored++;
	else if (type == WIRE_GOODBYE)
		d->count.goodbyes++;
	else
		d->count.announcements++;
}

static void on_announcement(struct discovery *d, const struct udp_msg *m, const struct wire_view *v)
{
	struct announce a;
	const char *why;
	int err;

	if (announce_decode(&a, v->payload, v->len, &why) < 0)
		return refuse(d, &m->from, &d->count.bad_payload, why, NULL);
	/* The seal proves a key that all nodes share, and the replay window is the sender's: so a
	 * node speaks for itself only. */
	if (wire_sender_id(a.id) != v->sender)
		return refuse(d, &m->from, &d->count.misnamed, "sealed by another node", a.id);
	if (a.role == ROLE_ARN)
		return on_arn(d, m, &a, v->type);
	if (v->type == WIRE_GOODBYE) {
		d->count.goodbyes++;
		directory_goodbye(d->directory, a.id, loop_now(d->loop));
		return;
	}
	err = directory_announce(d->directory, &a, loop_now(d->loop), &why);
	if (err)
		refuse(d, &m->from, err == -ENOSPC ? &d->count.table_full : &d->count.bad_address,
			why, a.id);
	else
		d->count.announcements++;
}

static void on_datagram(struct discovery *d, const struct udp_msg *m)
{
	enum wire_error e = WIRE_MALFORMED;
	struct wire_view v;

	d->count.received++;
	if (!m->truncated)
		e = wire_open(d->receiver, m->data, m->len, clock_wall(), &v);
	if (e != WIRE_OK)
		return refuse(d, &m->from, &d->count.refused[e], wire_error_str(e), NULL);
	if (v.type == WIRE_ANNOUNCE || v.type == WIRE_GOODBYE)
		on_announcement(d, m, &v);
	else
		d->count.ignored++;
}

static void note_losses(struct discovery *d)
{
	uint32_t drops = udp_drops(d->fd), more = drops - d->drops;

	if (!more)
		return;
	d->drops = drops;
	d->lost_at = loop_now(d->loop);
	d->count.lost += more;
	log_limited(&d->log_lost, NLOG_WARN,
		"%u datagrams on %s were lost: they come faster than they can be read", more,
		d->conf.interface);
}

static void on_expiry(void *arg)
{
	struct discovery *d = arg;
	ns_t now = loop_now(d->loop);

	/* A stranger's flood shall not make us take nodes for silent. */
	if (d->fd >= 0)
		note_losses(d);
	if (d->lost_at && now - d->lost_at < LOSSES)
		directory_doubt(d->directory, now);
	directory_expire(d->directory, now);
	loop_timer_at(d->expiry, directory_when(d->directory));
}

static void on_readable(void *arg, int events)
{
	struct discovery *d = arg;
	int n = udp_recv(d->fd, d->batch, UDP_BATCH);

	(void)events;
	for (int i = 0; i < n; i++)
		on_datagram(d, &d->batch[i]);
	note_losses(d);
	if (n > 0)
		loop_timer_at(d->expiry, directory_when(d->directory));
}

static void part(struct discovery *d)
{
	loop_fd_free(d->watch);
	d->watch = NULL;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static int join(struct discovery *d)
{
	int err;

	d->ifindex = if_nametoindex(d->conf.interface);
	if (!d->ifindex)
		return -ENODEV;
	d->fd = udp_open_group(&d->conf.group, d->conf.interface);
	if (d->fd < 0) {
		err = d->fd;
		d->fd = -1;
		return err;
	}
	d->drops = 0;
	d->watch = loop_fd_new(d->loop, d->fd, on_readable, d);
	err = d->watch ? loop_fd_want(d->watch, LOOP_READ) : -ENOMEM;
	if (err)
		part(d);
	return err;
}

/* A link came, went or changed. An interface that was made anew has another index, and is not a
 * member of the group any more. */
static void on_links(void *arg, int what)
{
	struct discovery *d = arg;
	unsigned now = if_nametoindex(d->conf.interface);
	char group[ADDR_STRLEN];
	int err;

	(void)what;
	if (d->fd >= 0 && now == d->ifindex)
		return d->conf.on_links(d->conf.arg);
	if (d->fd >= 0)
		log_msg(NLOG_WARN, "interface %s went away", d->conf.interface);
	part(d);
	if (!now)
		return;
	err = join(d);
	if (err)
		log_msg(NLOG_WARN, "cannot join %s on %s: %s", addr_str(&d->conf.group, group),
			d->conf.interface, strerror(-err));
	else
		log_msg(NLOG_INFO, "joined %s on %s", addr_str(&d->conf.group, group),
			d->conf.interface);
	d->conf.on_links(d->conf.arg);
}

struct discovery *discovery_new(
	struct loop *l, const struct discovery_conf *c, struct directory *dir, int *err)
{
	struct discovery *d = calloc(1, sizeof(*d));
	char group[ADDR_STRLEN];

	*err = -ENOMEM;
	if (!d)
		return NULL;
	d->loop = l;
	d->conf = *c;
	d->directory = dir;
	d->fd = -1;
	d->log = d->log_lost = (struct log_limit)LOG_LIMIT_INIT;
	d->receiver = wire_receiver_new(c->keys, c->skew, DIRECTORY_MAX);
	d->expiry = loop_timer_new(l, on_expiry, d);
	if (d->receiver && d->expiry)
		d->links = nlwatch_new(l, NLWATCH_LINK | NLWATCH_ADDR, on_links, d, err);
	if (!d->links) {
		discovery_free(d);
		return NULL;
	}
	*err = 0;
	if (join(d) < 0)
		log_msg(NLOG_WARN, "cannot join %s on %s yet: waiting for the interface",
			addr_str(&c->group, group), c->interface);
	return d;
}

void discovery_free(struct discovery *d)
{
	if (!d)
		return;
	part(d);
	nlwatch_free(d->links);
	loop_timer_free(d->expiry);
	wire_receiver_free(d->receiver);
	free(d);
}

int discovery_send(struct discovery *d, const void *p, size_t n)
{
	return d->fd < 0 ? -ENOTCONN : udp_send(d->fd, &d->conf.group, p, n);
}

bool discovery_joined(const struct discovery *d)
{
	return d->fd >= 0;
}

const struct discovery_counters *discovery_counters(const struct discovery *d)
{
	return &d->count;
}

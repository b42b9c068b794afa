/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/announcer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/udp.h"

struct announcer {
	struct loop *loop;
	struct loop_timer *timer;
	struct addr group;
	struct wire_sender sender;
	announcer_cb *cb;
	void *arg;
	int fd;
	uint64_t sent;
	struct log_limit trouble;
};

static ns_t announce(struct announcer *an, enum wire_type type)
{
	uint8_t payload[WIRE_MAX], sealed[WIRE_MAX];
	struct announce a = {.role = ROLE_SN};
	int n, err;

	an->cb(an->arg, &a);
	n = announce_encode(&a, payload, sizeof(payload));
	if (n > 0)
		n = wire_seal(&an->sender, type, payload, (size_t)n, clock_wall(), sealed);
	err = n < 0 ? n : udp_send(an->fd, &an->group, sealed, (size_t)n);
	if (err)
		log_limited(&an->trouble, NLOG_WARN, "announcement: %s", strerror(-err));
	else
		an->sent++;
	return a.interval_ms * NS_MS;
}

static void on_timer(void *arg)
{
	struct announcer *an = arg;
	ns_t now = loop_now(an->loop);

	loop_timer_at(an->timer, now + announce(an, WIRE_ANNOUNCE));
}

struct announcer *announcer_new(struct loop *l, const char *name, const struct addr *group,
	const char *ifname, const struct wire_keys *keys, announcer_cb *cb, void *arg,
	char err[256])
{
	struct announcer *an = calloc(1, sizeof(*an));

	snprintf(err, 256, "out of memory");
	if (!an)
		return NULL;
	*an = (struct announcer){.loop = l,
		.group = *group,
		.cb = cb,
		.arg = arg,
		.fd = -1,
		.trouble = LOG_LIMIT_INIT};
	wire_sender_init(&an->sender, keys, name, clock_wall());
	an->fd = udp_open_group(group, ifname);
	if (an->fd < 0) {
		snprintf(err, 256, "cannot announce on %s: %s", ifname, strerror(-an->fd));
		goto fail;
	}
	an->timer = loop_timer_new(l, on_timer, an);
	if (!an->timer)
		goto fail;
	announcer_now(an);
	return an;
fail:
	announcer_free(an);
	return NULL;
}

void announcer_now(struct announcer *an)
{
	if (an && an->timer)
		loop_timer_at(an->timer, loop_now(an->loop));
}

void announcer_goodbye(struct announcer *an)
{
	if (!an || !an->timer)
		return;
	loop_timer_free(an->timer);
	an->timer = NULL;
	announce(an, WIRE_GOODBYE);
}

void announcer_free(struct announcer *an)
{
	if (!an)
		return;
	loop_timer_free(an->timer);
	if (an->fd >= 0)
		close(an->fd);
	free(an);
}

uint64_t announcer_sent(const struct announcer *an)
{
	return an ? an->sent : 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks the services of all nodes whether they serve (arn/health.h says when and what of it), and
 * tells the directory, the log and the events.
 */
#ifndef ARN_PROBER_H
#define ARN_PROBER_H

#include "arn/directory.h"
#include "arn/health.h"
#include "lib/loop.h"

struct prober_conf {
	struct health_conf health;
	ns_t timeout;
	char path[PROBE_MAX_PATH]; /* that HTTP services are asked for */
};

struct prober;
/* Watches the nodes of the directory from now on: it has to be there before they are. NULL without
 * memory. */
struct prober *prober_new(struct loop *l, const struct prober_conf *c, struct directory *d);
/* The directory is not to be used after it. */
void prober_free(struct prober *p);
void prober_set_conf(struct prober *p, const struct prober_conf *c);
/* A client says that a node failed it. */
void prober_accuse(
	struct prober *p, const char *id, enum text_proto service, const struct addr *client);

const struct health *prober_health(const struct prober *p);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around measure.h: echo requests over raw sockets, questions and answers at the sites' port
 * (sites.h), and the table of regions, published when it has changed.
 */
#ifndef ARN_MEASURER_H
#define ARN_MEASURER_H

#include "arn/measure.h"
#include "arn/sites.h"
#include "lib/json.h"
#include "lib/loop.h"

/* The reference is the callee's to take. */
typedef void measurer_publish_fn(void *arg, const struct region_table *t);

struct measurer;
/* s is borrowed, and has to live longer. NULL with *err: -EPERM, no raw sockets. */
struct measurer *measurer_new(struct loop *l, const struct measure_conf *c, struct sites *s,
	measurer_publish_fn *publish, void *arg, int *err);
void measurer_free(struct measurer *m);
void measurer_want(struct measurer *m, const struct addr *client);

const struct measure *measurer_core(const struct measurer *m);
struct js *measurer_show(const struct measurer *m); /* an array */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker: discovery, the operator's commands and the metrics on one loop, that of the control
 * thread; and the threads that answer clients (crew.h). It knows how to do all that a node does, and
 * nothing of how the block is held: that is the guardian's, to whom it says "I serve" and from whom
 * it takes its orders.
 */
#ifndef ARN_ARN_H
#define ARN_ARN_H

#include "arn/cluster.h"
#include "arn/config.h"
#include "arn/crew.h"
#include "arn/direct_reader.h"
#include "arn/directory.h"
#include "arn/discovery.h"
#include "arn/flooder.h"
#include "arn/guardian.h"
#include "arn/measurer.h"
#include "arn/naming.h"
#include "arn/casc.h"
#include "arn/profiles.h"
#include "arn/overflow.h"
#include "arn/primer.h"
#include "arn/prober.h"
#include "arn/sites.h"
#include "lib/ctl.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/metrics.h"

/* The worker's context. Its parts (command.c, meter.c) look into it; nobody else does. */
struct deadman;

struct arn {
	const char *conf_path;
	struct arn_conf conf;
	struct wire_keys keys;       /* of the group */
	struct wire_keys token_keys; /* none: no tokens */
	struct loop *loop;
	struct directory *directory;
	struct prober *prober;       /* of the services of the directory's nodes */
	struct discovery *discovery; /* NULL: configured nodes only */
	struct cluster *cluster;     /* NULL likewise: there is no LAN to have other ARNs on */
	struct naming *naming;
	struct sites *sites;       /* NULL: no other site is known */
	struct measurer *measurer; /* NULL: where clients are is not measured */
	struct flooder *flooder;   /* NULL: no load is told to other sites */
	struct primer *primer;     /* NULL: no keys, or no nodes to speak to */
	struct overflow *overflow; /* of the wide area; NULL: no keys, with which to ask there */
	struct direct_reader *direct;
	struct crew *crew;
	struct loop_turn *turn;   /* looks whether there is something new to publish … */
	struct loop_timer *later; /* … which may have to wait, since `published` was just now */
	ns_t published;
	uint64_t version; /* of what was published then */
	bool hurry;       /* somebody waits for what is new: publish at once */
	struct profiles *profiles;
	struct casc *casc;
	struct ctl *ctl;
	struct metrics *metrics;
	struct metric *metric;         /* the table that `metrics` borrows */
	struct meter_crew *meter_crew; /* what that borrows */
	struct deadman *deadman;
	struct log_limit log_silent;
	struct loop_timer *beat, *look;
	struct loop_fd *line_watch;
	int line;                  /* to the guardian */
	bool draining;             /* the operator's wish */
	struct guardian_word word; /* what it said last */
	ns_t started;
};

/* The worker's life (guardian.h). */
int arn_work(
	const struct arn_conf *conf, const char *conf_path, const struct guardian_charge *charge);

/* Reads the configuration again and takes over what can be. 0; or negative errno, everything is as
 * before and `why` says why; *fixed names an option whose change has to wait for a restart. */
int arn_reload(struct arn *a, struct conf_errors *why, char fixed[CONF_NAME]);
/* The wide area, if there are keys to ask there with, and it is not open. 0 or -ENOMEM. */
int arn_open_wide(struct arn *a);
struct overflow_conf arn_overflow_conf(const struct arn *a);
/* Tells the guardian that the block shall go (or may come back). */
void arn_set_draining(struct arn *a, bool draining);

/* explain.c */
enum ctl_code arn_explain(void *ctx, struct slice args, struct js *body);

/* show_far.c */
enum ctl_code arn_show_far(void *ctx, struct slice args, struct js *body);
enum ctl_code arn_show_area(void *ctx, struct slice args, struct js *body);

/* command.c */
extern const struct ctl_command arn_commands[];
extern const int arn_commands_n;

/* The nodes as they are now, and as clients are answered from this moment on. The directory's
 * reference. */
const struct snapshot *arn_snapshot(struct arn *a);

/* What is answered directly; NULL: nothing. */
const struct direct *arn_direct(const struct arn *a);

/* Of all ARNs here, this one is to hold the block. */
bool arn_is_master(const struct arn *a);

/* meter.c: fills a->metrics and a->metric. 0 or -ENOMEM. */
int arn_meter(struct arn *a);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian: the process that holds the anycast block, and does nothing else. See guardian.c.
 */
#ifndef ARN_GUARDIAN_H
#define ARN_GUARDIAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arn/config.h"
#include "arn/fate.h"

/* Guardian and worker speak over a pair of connected sockets that keep messages apart. Both are
 * the same program, so these structs go as they are. Upwards go struct fate_beat. */
enum guardian_order { GUARDIAN_STATE, GUARDIAN_RELOAD, GUARDIAN_FINISH };

struct guardian_word {
	enum guardian_order order; /* all carry the state as well */
	enum fate_block block;
	char reason[40];    /* why it is not up */
	uint64_t holds;     /* of the addresses, those that are on the interface */
	bool claims;        /* it answers for the next hop */
	uint64_t contested; /* times that another host did, too */
	bool ready;         /* nothing but mastership is wanting for it to be up */
	ns_t since;         /* of `block` */
	uint32_t spawned;   /* workers so far, this one included */
	uint32_t raised;    /* times that the block came up */
	pid_t guardian;
};

/* Everything a worker is told when it starts. */
struct guardian_charge {
	int line;      /* its end of the pair */
	bool draining; /* the operator drained this node before an earlier worker died */
};

/* The worker's whole life, in the child process; its value is the exit code. */
typedef int guardian_worker_fn(
	const struct arn_conf *conf, const char *conf_path, const struct guardian_charge *charge);

/* Guards until SIGTERM or SIGINT. The process's exit code. */
int guardian_run(const struct arn_conf *conf, const char *conf_path, guardian_worker_fn *worker);

/* Both ends: how often each process shows that it lives. */
ns_t guardian_beat_interval(const struct arn_conf *conf);

#endif

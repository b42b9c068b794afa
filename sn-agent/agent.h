/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The service node's agent: one context that owns the parts and ties them together. agent.c is its
 * life (start, signals, drain), reload.c what the parts are told of the configuration, service.c what
 * it does for sessions and channels, show.c what it tells operators.
 */
#ifndef NEARCAST_SN_AGENT_H
#define NEARCAST_SN_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ctl.h"
#include "lib/loop.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "sn-agent/announcer.h"
#include "sn-agent/casd.h"
#include "sn-agent/channel.h"
#include "sn-agent/config.h"
#include "sn-agent/feed.h"
#include "sn-agent/films.h"
#include "sn-agent/ledger.h"
#include "sn-agent/media.h"
#include "sn-agent/overlay.h"
#include "sn-agent/primes.h"
#include "sn-agent/relay.h"
#include "sn-agent/rtsp.h"
#include "sn-agent/selfcheck.h"
#include "sn-agent/server.h"
#include "sn-agent/userlist.h"
#include "sn-agent/web.h"

#define AGENT_SAMPLES 10 /* of bytes sent, one a house-keeping: kbps is over them */
#define AGENT_HOUSE   (100 * NS_MS)
#define AGENT_METRICS 127

struct attach_door;
struct survey_door;

struct agent {
	struct sn_conf conf;
	const char *conf_path;
	char software[64];
	ns_t started;

	struct loop *loop;
	struct loop_timer *house, *catch_up, *turn;
	struct loop_signal *sigterm, *sigint, *sighup;

	struct channels channels;
	struct relay relay;
	struct rtsp rtsp;
	struct media *media;
	char group_interface[IFNAMSIZ]; /* that groups are sent by */
	struct server *server;
	struct feeds *feeds;
	struct films *films;     /* NULL: it has no libraries */
	struct library *library; /* conf.libraries */
	struct overlay *overlay; /* NULL: it is in none */
	struct wire_keys keys;   /* of all that is sealed; empty without an interface */
	struct announcer *announcer;
	struct wire_keys
		token_keys;        /* and of identities and nonces; none: not shared with anybody */
	struct wire_keys own_keys; /* of nonces, when there are no others */
	struct userlist users;
	struct primes *primes;      /* NULL: it cannot be primed */
	struct attach_door *attach; /* NULL: nor attached, or others to it */
	struct survey_door *survey; /* NULL: it cannot be asked by far ARNs */
	struct casd *casd;          /* NULL: it allots no channels */
	struct ledger *ledger;      /* NULL: nothing is accounted for */
	ns_t account_at;
	ns_t account_alive, account_woke,
		account_gap; /* it ran until; again since; not for so long */
	struct web *web;     /* NULL: HTTP is not its own */
	struct selfcheck *selfcheck;
	struct ctl *ctl;
	struct metrics *metrics;
	struct metric metric[AGENT_METRICS];

	bool stopping;
	ns_t stop_by;                   /* sessions under way are over by then, */
	ns_t quit_by;                   /* and the web server; 0: it has not been told yet */
	uint64_t sample[AGENT_SAMPLES]; /* relay.bytes_out then */
	ns_t sampled[AGENT_SAMPLES];
	int samples;
	uint64_t kbps;
	uint64_t sessions_total, publishers_total, timeouts;
	struct log_limit silent, refused;
};

/* Runs until it is told to stop; the configuration is taken over (conf_free is done). Exit code. */
int agent_run(struct sn_conf *conf, const char *conf_path);

/* agent.c */
void agent_drain(struct agent *a, bool drain);
void agent_announcement(void *arg, struct announce *n); /* what is so now; arg: the agent */

/* reload.c; ints are 0 or negative errno */
struct rtsp_conf agent_rtsp_conf(const struct agent *a); /* after agent_set_libraries() */
void agent_groups_conf(const struct sn_conf *c, struct groups_conf *g);
struct server_conf agent_server_conf(const struct sn_conf *c);
struct ports_conf agent_ports_conf(const struct sn_conf *c);
void agent_set_neighbours(struct agent *a);
int agent_set_upstreams(struct agent *a);
int agent_set_libraries(struct agent *a); /* in place of the old ones, which are gone in any case */
int agent_set_cas(struct agent *a);
/* In place: who borrows them has the new ones. When it fails, why says so, and users stay. */
int agent_load_secrets(struct agent *a, const struct sn_conf *c, char why[256]);
void agent_users_tick(struct agent *a, ns_t now); /* there may be other users */
/* 0, or -EINVAL with what is wrong in err. */
int agent_reload(struct agent *a, struct conf_errors *err);

/* service.c: what the parts call. */
extern const struct relay_io agent_relay_io;
extern const struct server_ops agent_server_ops;
extern const struct group_ops agent_group_ops;
extern const struct feed_ops agent_feed_ops;
void agent_catch_up(void *arg); /* the timers' */
void agent_turn(void *arg);
void agent_house_keeping(void *arg);

/* show.c */
extern const struct ctl_command agent_commands[];
extern const int agent_n_commands;

/* meter.c */
int agent_fill_metrics(struct agent *a); /* a->metric; how many */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arn.conf as a struct; arn.conf(5) describes it for people. */
#ifndef ARN_CONFIG_H
#define ARN_CONFIG_H

#include <net/if.h>

#include "arn/flood.h"
#include "arn/measure.h"
#include "arn/naming.h"
#include "arn/casc.h"
#include "arn/profiles.h"
#include "arn/snapshot.h"
#include "arn/wide.h"
#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/daemon.h"
#include "lib/probe.h"
#include "lib/wire.h"

/* Which ARNs of a LAN have the block up. */
enum arn_active { ARN_ACTIVE_MASTER, ARN_ACTIVE_ALL, ARN_ACTIVE_EACH };

struct arn_conf {
	char name[ANNOUNCE_ID_LEN];
	char interface[IFNAMSIZ]; /* of the service nodes' LAN; "": none, configured nodes only */
	struct addr address;      /* among the ARNs; AF_UNSPEC: the interface's own */
	char key_file[256];       /* "" only without an interface */
	char control[104];
	char management[ADDR_STRLEN]; /* "": none */
	int log_level;                /* enum log_level */
	char events[256];             /* "": none */
	int64_t workers;              /* threads that answer clients; 0: one for each processor */
	struct {
		struct prefix block;
		char interface[IFNAMSIZ];
		ns_t hang_bound, hold;
		struct addr next_hop;            /* AF_UNSPEC: none */
		int active;                      /* enum arn_active */
		struct conf_addr_list addresses; /* that have a master each */
	} anycast;
	struct {
		ns_t interval;
	} announce;
	struct {
		struct addr group;
		int64_t misses;
		ns_t skew;
	} discovery;
	struct {
		int64_t port; /* 0: off */
		int policy;   /* index into policy_choices; 0: that of select */
	} rtsp, http;
	struct {
		int64_t port; /* 0: no connections */
	} peers;
	struct {
		ns_t interval, timeout; /* interval 0: off */
		int64_t rise, fall, concurrent;
		ns_t quarantine, quarantine_max;
		char path[PROBE_MAX_PATH];
	} probe;
	struct {
		int policy;                    /* index into policy_names */
		int64_t bound, affinity_limit; /* per cent */
		ns_t reservation;
		int64_t session_kbps, per_client;
	} select;
	struct {
		int64_t connections;
		ns_t request_timeout, idle_timeout;
	} limits;
	int64_t retry_after;   /* s */
	char place[PLACE_LEN]; /* where this ARN is; "": it does not say */
	struct {
		int method; /* arn_conf_method() is its name; 0: none */
		struct conf_addr_list nodes;
		char directory[DNS_NAME]; /* "": none */
		ns_t interval, interval_max, hold, latency_cost;
		int64_t misses, rate, max, warm;
		int64_t grow, shrink, share; /* per cent */
	} wide;
	struct {
		char zone[DNS_NAME]; /* "": none */
		int form;            /* enum origin_form */
		struct conf_addr_list servers;
		ns_t timeout, ttl_min, ttl_max, negative_max, stale, retry, retry_max;
		int64_t tries, entries;
	} naming;
	struct conf_list services; /* struct arn_conf_service */
	struct {
		char url[PROFILES_URL]; /* "": none */
		char ca_file[256];
		ns_t ttl, timeout, stale, retry, retry_max;
		int64_t entries;
	} profiles;
	struct {
		bool ask;
		ns_t timeout, ttl_max, negative_max, stale, retry, retry_max;
		int64_t entries;
	} cas;
	struct {
		int64_t port, misses;
		ns_t interval, hold_max;
	} sites;
	struct conf_list site; /* struct arn_conf_site */
	struct {
		bool share;
		ns_t interval, min_interval;
		int64_t misses, change /* per cent */, hops, rate, records;
	} flood;
	struct {
		bool rtsp, http;
		ns_t wait;
	} prime;
	struct {
		bool issue;
		ns_t lifetime, resume;
		bool bind_client;
		char key_file[256]; /* "": the announcements' */
	} token;
	struct {
		char directory[256]; /* "": none */
		int64_t max_age;     /* s */
		int64_t max_objects, max_bytes;
	} direct;
	struct {
		char file[256]; /* "": none */
	} regions;
	struct conf_list region; /* struct arn_conf_region */
	struct {
		bool clients;
		ns_t lifetime, patience;
		int64_t rate, networks;
	} measure;
	struct conf_list nodes; /* struct arn_conf_node */
};

struct arn_conf_node {
	char id[CONF_TITLE];
	struct addr address;
	int64_t rtsp_port, http_port; /* 0: not offered */
	int64_t weight;
};

struct arn_conf_region {
	char name[CONF_TITLE];
	char place[PLACE_LEN];
	struct conf_prefix_list prefixes;
};

struct arn_conf_site {
	char name[CONF_TITLE];
	struct addr address; /* with a port: not sites.port */
};

struct arn_conf_service {
	char name[CONF_TITLE];
	struct addr address;
	int method; /* enum origin_method */
	char allow[ORIGIN_ALLOW];
	char fallback[DNS_NAME + 8]; /* HOST[:PORT], "": none */
};

extern const struct daemon arn_daemon;

/* config_flood.c */
extern const struct conf_option arn_flood_options[];
void arn_conf_check_flood(const struct arn_conf *c, struct conf_errors *e);
bool arn_conf_floods(const struct arn_conf *c);
struct flood_conf arn_conf_flood(const struct arn_conf *c);
bool arn_conf_flood_same(const struct arn_conf *a, const struct arn_conf *b);

/* config_naming.c */
extern const struct conf_option arn_naming_options[], arn_service_options[], arn_profiles_options[],
	arn_cas_options[];
void arn_conf_check_naming(const struct arn_conf *c, struct conf_errors *e);
/* out->rule is the caller's to free. 0, or -1 without memory. */
int arn_conf_naming(const struct arn_conf *c, struct naming_conf *out);

/* out->pinned is the caller's to free. 0, or -1 without memory. */
int arn_conf_profiles(const struct arn_conf *c, struct profiles_conf *out);

/* config_region.c */
extern const struct conf_option arn_regions_options[], arn_region_options[], arn_measure_options[];
void arn_conf_check_regions(const struct arn_conf *c, struct conf_errors *e);
/* Where clients are, by the sections and the file. NULL: nothing is known of any, or there are errors. */
struct region_table *arn_conf_regions(const struct arn_conf *c, struct conf_errors *e);
/* Borrows from the configuration. */
struct measure_conf arn_conf_measure(const struct arn_conf *c);

/* config_wide.c */
extern const struct conf_option arn_wide_options[];
void arn_conf_check_wide(const struct arn_conf *c, struct conf_errors *e);
/* What it points to is the configuration's. */
struct wide_conf arn_conf_wide(const struct arn_conf *c);
const char *arn_conf_method(const struct arn_conf *c);
/* Whether the method has to begin anew. */
bool arn_conf_wide_again(const struct arn_conf *was, const struct arn_conf *now);

struct casc_conf arn_conf_cas(const struct arn_conf *c);

/* How nodes are chosen; its `arns` and `turn` are 0. */
struct select_conf arn_conf_select(const struct arn_conf *c);
/* The file of the keys that tokens are signed with; "" if there is none. */
const char *arn_conf_token_keys(const struct arn_conf *c);

/* The configured node as if it had announced itself, healthy and idle. */
struct announce arn_conf_announce(const struct arn_conf_node *n);

/* Whether an option differs that cannot change while the daemon runs; its name then, else "". */
bool arn_conf_fixed_change(
	const struct arn_conf *was, const struct arn_conf *now, char name[CONF_NAME]);

#endif

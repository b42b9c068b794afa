/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sn-agent.conf as a struct; sn-agent.conf(5) describes it for people. */
#ifndef NEARCAST_SN_CONFIG_H
#define NEARCAST_SN_CONFIG_H

#include <net/if.h>

#include "lib/addr.h"
#include "lib/cas.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/daemon.h"
#include "lib/prime.h"
#include "lib/wire.h"
#include "sn-agent/budget.h"
#include "sn-agent/library.h"

/* With what a player begins. */
enum start_mode { START_KEYFRAME, START_LIVE };

struct sn_conf {
	char name[ANNOUNCE_ID_LEN];
	struct addr address;      /* unicast, port 0 */
	char interface[IFNAMSIZ]; /* of the LAN that it announces itself on; "": nowhere */
	char key_file[256];       /* "" only without an interface */
	char place[PLACE_LEN];    /* "": not said */
	char control[104];
	char management[ADDR_STRLEN]; /* "": none */
	int log_level;                /* enum log_level */
	char events[256];             /* "": none */
	struct {
		struct addr group;
		ns_t interval;
		int64_t weight;
	} announce;
	struct {
		int64_t port;
		ns_t session_timeout;
		char publishers[512]; /* prefixes */
		int start;            /* enum start_mode */
	} rtsp;
	struct {
		int token;          /* enum access_mode */
		char key_file[256]; /* "": the announcements' */
		char trusted[512];  /* prefixes */
		char users[256];    /* a file; "": nobody has to be a user */
		char realm[64];
		int authenticate;     /* enum access_asked */
		char publishers[512]; /* users; "": all */
		ns_t nonce_lifetime;
	} access;
	struct {
		char database[256]; /* "": no accounting */
		ns_t interval;
		int64_t keep_days; /* 0: for ever */
	} accounting;
	struct {
		int64_t port; /* even */
	} rtp;
	struct {
		ns_t delay; /* 0: nothing waits */
	} relay;
	struct {
		int64_t port; /* 0: none */
	} http;
	struct {
		char nginx[256]; /* "": http.port is somebody else's */
		char folder[256], user[32], log[256];
		int64_t size, slice, workers, connections;
		ns_t inactive, fresh, session;
		struct conf_addr_list origin;
		char host[PRIME_HOST];
	} web;
	struct {
		int64_t port; /* UDP; 0: it cannot be primed */
		char ports[16];
		int64_t max;
		ns_t lifetime;
	} prime;
	struct {
		char listen[ADDR_STRLEN]; /* "": it allots no channels */
		char anycast[512];        /* prefixes */
		ns_t ttl, lifetime;
		int64_t max;
	} cas;
	struct {
		char groups[ADDR_STRLEN]; /* a prefix; "": no multicast */
		int64_t port;             /* even */
		int64_t ttl;
		char interface[IFNAMSIZ]; /* "": that of `address` */
		char clients[512];        /* prefixes */
		int64_t threshold;
	} multicast;
	struct conf_list channels; /* struct sn_conf_channel */
	struct {
		char cache[256];    /* directory; "": memory */
		int64_t cache_size; /* MiB */
		ns_t ahead, revalidate;
	} vod;
	struct conf_list libraries; /* struct sn_conf_library */
	struct {
		int64_t connections;
		ns_t request_timeout, idle_timeout;
	} limits;
	struct {
		int64_t sessions, kbps; /* 0: unlimited */
	} capacity;
	ns_t ring, linger, drain_timeout;
	struct conf_list upstreams; /* struct sn_conf_upstream */
	struct {
		struct addr address;     /* family 0: it is in no overlay */
		char block[ADDR_STRLEN]; /* of its addresses; "": not said */
		int64_t port, mtu, assumed_kbps;
	} overlay;
	struct {
		struct addr anycast; /* family 0: its neighbours are configured */
		ns_t refresh;
	} attach;
	struct {
		int64_t max;
		struct addr registry; /* family 0: none */
	} attachments;
	struct conf_list neighbours; /* struct sn_conf_neighbour */
	struct conf_list sources;    /* struct sn_conf_source */
	struct conf_list classes;    /* struct sn_conf_class, the highest first */
};

struct sn_conf_upstream {
	char name[CONF_TITLE];
	struct addr address;
};

/* A node at the other end of a tunnel. */
struct sn_conf_neighbour {
	char name[CONF_TITLE];
	struct addr address; /* unicast */
	int64_t vni;         /* 0: as the addresses say */
	int64_t kbps;        /* that go to it, 0: unlimited */
	int64_t control;     /* its control port, 0: as this node's */
};

/* A class of channels on the links to neighbours. */
struct sn_conf_class {
	char name[CONF_TITLE];
	char paths[BUDGET_PATHS];
	int64_t share; /* per cent */
};

/* Where in the overlay channels come from. */
struct sn_conf_source {
	char name[CONF_TITLE];
	char path[CAS_PATH];
	struct addr host; /* family 0: none */
	struct addr address;
};

/* A URL whose channel is another path here. */
struct sn_conf_channel {
	char name[CONF_TITLE];
	char url[CAS_URL];
	char path[CAS_PATH];
};

/* Paths that are films of a master site. */
struct sn_conf_library {
	char name[CONF_TITLE];
	char path[LIBRARY_PATH];
	char origin[LIBRARY_ORIGIN];
	struct addr address; /* of the origin's host, if that is a name; family 0 */
};

extern const struct daemon sn_daemon;

/* The ports of prime.ports: "20000-20999". False: it is no such range. */
bool sn_conf_ports(const char *text, uint16_t *first, uint16_t *last);

/* For the parts: what was expected of a value, or NULL. */
const char *sn_conf_check_host(const void *value); /* CONF_ADDR: a unicast address */
const char *sn_conf_check_host_or_none(const void *value);
const char *sn_conf_check_path(const void *value); /* CONF_STR: "/…" */

/* config_overlay.c */
extern const struct conf_option sn_overlay_options[], sn_attach_options[], sn_attachments_options[],
	sn_neighbour_options[], sn_source_options[], sn_class_options[];
void sn_conf_check_overlay(const struct sn_conf *c, struct conf_errors *e);

/* config_content.c */
extern const struct conf_option sn_web_options[], sn_vod_options[], sn_library_options[];
void sn_conf_check_web(const struct sn_conf *c, struct conf_errors *e);
void sn_conf_check_libraries(const struct sn_conf *c, struct conf_errors *e);
/* Where a library's origin is: 0; -EINVAL: its host is a name, and there is no address. */
int sn_conf_origin_addr(const struct sn_conf_library *l, struct addr *out);

/* Whether an option differs that cannot change while the daemon runs; its name then, else "". */
bool sn_conf_fixed_change(
	const struct sn_conf *was, const struct sn_conf *now, char name[CONF_NAME]);

#endif

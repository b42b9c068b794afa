/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the content of a request comes from (rows D1, D4): what is known of it, as snapshots show
 * it, and which of it a request is about. Pure; who finds out is arn/naming.c.
 *
 *	service origin = srv	the anycast address stands for one provider, whose master servers
 *				are in SRV records of the address's name (arn/resolve.h)
 *	service origin = url	one anycast address for all: the URL's path begins with "/=HOST/"
 *				or "/=HOST:PORT/", and what follows is the path at that origin
 *
 * "/=" is no segment that a path of files has, keeps the URL's own syntax (so that relative links
 * work, and no escape is needed), and cannot be taken for something else. Only what the service's
 * allow list names can be an origin: whoever could name any host would have the nodes fetch from
 * it.
 */
#ifndef ARN_ORIGIN_H
#define ARN_ORIGIN_H

#include <stdbool.h>

#include "arn/want.h"
#include "lib/dnsmsg.h"
#include "lib/text.h"

#define ORIGIN_TARGETS 8
#define ORIGIN_ADDRS   4
#define ORIGIN_KEY     (DNS_NAME + ADDR_STRLEN + 32)
#define ORIGIN_WHY     448
#define ORIGIN_ALLOW   512

enum origin_method { ORIGIN_NONE, ORIGIN_SRV, ORIGIN_URL };
extern const char *const origin_method_names[];

/* How the origin of what is asked at one anycast address is found. */
struct origin_rule {
	struct addr anycast;
	enum origin_method method;
	char allow[ORIGIN_ALLOW];     /* ORIGIN_URL: see origin_allowed() */
	char fallback_host[DNS_NAME]; /* "": none; what is used when the method finds nothing */
	uint16_t fallback_port;       /* 0: the service's own */
};

struct origin_target {
	uint16_t priority, weight, port;
	char host[DNS_NAME];
	struct addr addr[ORIGIN_ADDRS]; /* with their ports */
	int addrs;
};

enum origin_state {
	ORIGIN_READY,
	ORIGIN_OLD,    /* its time is over, it is being asked for again; usable */
	ORIGIN_DENIED, /* it does not exist */
	ORIGIN_FAILED, /* nobody could say */
};

/* One thing that is known. It never changes but for `used`. */
struct origin_fact {
	_Atomic unsigned refs;
	_Atomic bool used; /* by a request, since the maker looked */
	char key[ORIGIN_KEY];
	enum origin_state state;
	char why[ORIGIN_WHY]; /* denied, failed; or of what is used beyond its time */
	int targets;
	struct origin_target target[ORIGIN_TARGETS];
};

/* All that is known at one moment; the same rules as for snapshots. */
struct origins {
	_Atomic unsigned refs;
	int rules, facts;
	const struct origin_rule *rule; /* in the same memory */
	struct origin_fact **fact;      /* ordered by key; each with a reference of its own */
};

/* Takes a reference of each fact, and orders them. NULL without memory. */
struct origins *origins_new(
	const struct origin_rule *rule, int rules, struct origin_fact *const *fact, int facts);
const struct origins *origins_ref(const struct origins *o);
void origins_unref(const struct origins *o);
struct origin_fact *origin_fact_ref(struct origin_fact *f);
void origin_fact_unref(struct origin_fact *f);

/* The service of a question for the SRV records of channel allocation services (row D3). */
#define ORIGIN_CAS 4u

/* Whether that is how the address's origin is found. NULL: no. */
bool origin_by_srv(const struct origins *o, const struct addr *anycast);

/* The name that SRV records are asked for: "http", "rtsp", "cas". */
const char *origin_service_str(unsigned service);
/* Who a question is about: SRV of the anycast address with host "", else a host with the port of
 * origin[0]. The key of the fact that answers it, in buf[ORIGIN_KEY]. */
const char *origin_key(const struct prime_state *about, char *buf);

/*
 * The origin of a request. ORIGIN_GO: *q has it, or nothing, when none is needed; ORIGIN_WAIT: the
 * want says what is to be found out first; ORIGIN_REFUSE: status and why. final: whatever is known
 * has to do. `service`, `anycast` of *q are set by the caller.
 */
enum origin_verdict { ORIGIN_GO, ORIGIN_WAIT, ORIGIN_REFUSE };
enum origin_verdict origin_of(const struct origins *o, const struct url *u, bool final,
	struct prime_state *q, struct want *want, int *status, const char **why);

/* The origin in a path: 0 and host, port (0: none named) and the rest, from '/' on; or -EINVAL. */
int origin_in_path(struct slice path, char host[DNS_NAME], uint16_t *port, struct slice *rest);

/* "host", "host:port", "address", "[v6]:port": host in lower case; port 0: none given. 0, -EINVAL. */
int origin_split(struct slice s, char host[DNS_NAME], uint16_t *port);

/* A list with commas of "HOST", "*.DOMAIN" (any host below it), "ADDRESS" or "PREFIX/LEN", each with
 * or without ":PORT" ("[v6]:PORT"); without one the service's own port is meant. */
bool origin_allowed(const char *allow, const char *host, uint16_t port, uint16_t usual);
/* NULL, or what is wrong with such a list. */
const char *origin_check_allow(const char *allow);

/* The address's own name (the patent's "anycast-10-1-18-27.http.tcp.cbb.net", RFC 2782's
 * "_http._tcp.anycast-10-1-18-27.cbb.net"), for IPv6 with all eight groups. service: "http",
 * "rtsp", "cas". False when it would be too long. */
enum origin_form { ORIGIN_FORM_BOTH, ORIGIN_FORM_RFC2782, ORIGIN_FORM_PATENT };
bool origin_name(enum origin_form form, const struct addr *anycast, const char *service,
	const char *zone, char out[DNS_NAME]);

/* The order in which the targets are to be tried (RFC 2782): by priority, and drawn by weight, by a
 * lot that is the same for the same `lot` everywhere. order[targets]. */
void origin_order(const struct origin_fact *f, uint64_t lot, int *order);

#endif

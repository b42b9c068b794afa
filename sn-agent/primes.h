/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around ports.h (row B6): the node's UDP control port, where ARNs ask for ports, the
 * seal, and what is to be done for each service when a port is given or taken back.
 *
 * A service serves over primed ports by its `struct primes_service`: RTSP (rtsp_door.c) listens
 * itself and at once, HTTP (web_door.c) has a web server listen, which takes a moment. An ARN is
 * answered when the port is really there, and not before: who is sent to it finds somebody.
 */
#ifndef NEARCAST_SN_PRIMES_H
#define NEARCAST_SN_PRIMES_H

#include "lib/json.h"
#include "lib/loop.h"
#include "lib/udp.h"
#include "lib/wire.h"
#include "sn-agent/ports.h"

#define PRIMES_SERVICES  2
#define PRIMES_LATER     1
#define PRIMES_LISTENERS 2

struct primes_service {
	unsigned service; /* SERVICE_… */
	/* Serves at this port what its state says; p->door is the service's. 0; PRIMES_LATER:
	 * primes_opened() will say; or negative errno. */
	int (*open)(void *arg, struct port *p);
	/* Its state is the same, but the origin has moved. */
	void (*moved)(void *arg, struct port *p);
	void (*close)(void *arg, struct port *p);
	/* A client is about to ask for the path there. NULL: that is of no interest. */
	void (*expect)(void *arg, struct port *p, const char *path);
};

struct primes_conf {
	const char *name;    /* of this node, borrowed */
	struct addr control; /* where ARNs ask */
	ns_t skew;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	struct ports_conf ports;      /* services: set from `service` */
	const struct primes_service *service[PRIMES_SERVICES]; /* NULL behind the last */
	void *arg;                                             /* of the services */
};

struct primes_counters {
	uint64_t received, granted, refused, gone, failed;
	uint64_t unopened;    /* datagrams that the seal does not let through */
	uint64_t bad_payload; /* sealed rightly, but no request, or for another node */
};

struct primes;
/* *err says why it returned NULL. */
struct primes *primes_new(struct loop *l, const struct primes_conf *c, int *err);
void primes_free(struct primes *p); /* closes all ports: before what serves at them is gone */
void primes_set_conf(struct primes *p, const struct ports_conf *c);
void primes_set_draining(struct primes *p, bool draining);
/* Whether ports are given for a service; all are offered at first. Ports that are given stay. */
void primes_offer(struct primes *p, unsigned service, bool offered);
/* What has become of a port whose open() gave PRIMES_LATER: 0, or negative errno, and the port is
 * gone then, without its close(). Not from within open(). */
void primes_opened(struct primes *p, struct port *x, int err);
/* Other messages of the control port, of these types (WIRE_BIT) and from so many senders: cb has those
 * that the seal lets through; m is the datagram with the kernel's time. The replays of each listener's
 * types are watched apart, so that many senders of the one do not take the room of the other, and one
 * who seals them in two lives of its own is heard with both. Answers go back by primes_send(): 0 or
 * negative errno. 0; -ENOMEM; -ENOSPC: there are PRIMES_LISTENERS. */
typedef void primes_other_cb(void *arg, const struct wire_view *v, const struct udp_msg *m);
int primes_listen(struct primes *p, uint64_t types, int senders, primes_other_cb *cb, void *arg);
void primes_unlisten(struct primes *p, const void *arg);
int primes_send(struct primes *p, enum wire_type type, const void *payload, size_t n,
	const struct addr *to);
uint64_t primes_generation(const struct primes *p);
unsigned primes_services(const struct primes *p);            /* that are offered */
struct port *primes_port(struct primes *p, uint16_t number); /* NULL: it is not given; p may be */
int primes_bound(const struct primes *p);                    /* p may be NULL */
const struct primes_counters *primes_counters(const struct primes *p);
struct js *primes_show(const struct primes *p); /* an array; p may be NULL */

#endif

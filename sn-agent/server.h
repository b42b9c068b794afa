/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RTSP server's shell: connections, requests in and answers out in order, interleaved frames,
 * and the limits that keep one client from harming others: a bounded number of connections, bounded
 * buffers, a time for a request to be whole, a time for a connection to be of use.
 */
#ifndef NEARCAST_SN_SERVER_H
#define NEARCAST_SN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/loop.h"
#include "sn-agent/rtsp.h"

struct server;
struct server_door;

struct server_conf {
	int64_t connections;  /* at one time; a new one gets the place of one without a session */
	ns_t request_timeout; /* from a request's first byte to its last */
	ns_t idle_timeout;    /* a connection without session and without request */
};

struct server_ops {
	void (*seek)(void *arg, struct channel *ch);
	void (*played)(void *arg, struct session *s);
	void (*paused)(void *arg, struct session *s);
	void (*recorded)(void *arg, struct session *s);
	/* Its end: the receiver is to call rtsp_end. */
	void (*end)(void *arg, struct session *s, const char *reason, bool torn_down);
};

struct server_counters {
	uint64_t accepted, refused, evicted, bad, timeouts, overflows;
};

/* *err says why it returned NULL. rtsp and relay are borrowed. */
struct server *server_new(struct loop *l, const struct addr *at, const struct server_conf *conf,
	struct rtsp *rtsp, struct relay *relay, const struct server_ops *ops, void *arg, int *err);
void server_free(struct server *sv); /* ends all sessions */
void server_set_conf(struct server *sv, const struct server_conf *conf);
/* No new connections from now on. */
void server_stop_listening(struct server *sv);
const struct addr *server_addr(const struct server *sv); /* NULL: it does not listen */
int server_connections(const struct server *sv);

/* Another port, whose clients are served by its scope (copied). `count` is told of each connection
 * that begins and ends there. *err says why it returned NULL. */
struct server_door *server_door_new(struct server *sv, const struct addr *at,
	const struct rtsp_scope *scope, void (*count)(void *arg, bool begins), void *arg, int *err);
const struct rtsp_scope *server_door_scope(const struct server_door *d);
/* Connections that are left there end soon, uncounted. server_free() frees the doors that are left. */
void server_door_free(struct server_door *d);

/* The channel has been found or refused: what waited for it is answered. */
void server_settled(struct server *sv, struct channel *ch);
/* What a PLAY over the session's connection waited for has been found, or there is no such place: it
 * is answered. */
void server_looked(struct server *sv, struct rtsp_conn *conn);
/* The channel's source has ended: tells a player, each in its way; the connection of one that does
 * not fail over is closed a little later. */
void server_tell_end(struct server *sv, struct session *s);
/* Tells a player's client to join its group (group.h). */
void server_tell_group(struct server *sv, struct session *s);
/* Its channel comes through other nodes now: tells the node that it is of. */
void server_tell_path(struct server *sv, struct session *s);
/* Closes the connection that the session belongs to (it ends with it). */
void server_close(struct session *s);

/* relay_io's part: frames to a connection; how many it had room for. */
int server_frames(void *conn, uint8_t channel, const struct iovec *v, int n);

/* How many bytes may wait on each of so many connections: the more they are, the less, since
 * thousands that play and do not read would else take all memory. */
size_t server_room(int connections);

/* What time brings: slow, idle and ended connections. To be called now and then. */
void server_tick(struct server *sv, ns_t now);
const struct server_counters *server_counters(const struct server *sv);

#endif

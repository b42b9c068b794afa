/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the ARNs on a LAN holds the block (figure 5). A core: announcements of the others, what
 * this one is worth, and `now` in; "master" or "backup" out.
 *
 * Everybody decides for himself, by one rule: I am master unless I hear somebody better. Better is
 * who has the higher standing, and among equals the lower address:
 *
 *	READY  has served for the hold; could have the block at once
 *	HELD   the same, but was cut off from a master a moment ago: last resort for one hold
 *	OUT    not serving, not yet for the hold, drained, going: not eligible
 *
 * An anycast block bears two masters well, since both answer rightly, but not none. So every doubt
 * makes a master. `timeout` below is a peer's `misses` announcement intervals; "heard" includes
 * what the LAN delays. What holds, and is tested under random losses, delays, partitions and crashes
 * (tests/unit/check_election_sim.c):
 *
 *  1. No master for longer than a timeout: never, while an eligible ARN is there. Let L be the best
 *     one that lives. Nothing better than L announces itself; what L remembers of such a one is
 *     gone after a timeout; then L is master, whatever the LAN loses.
 *  2. Two masters that hear each other: not for longer than a timeout, after a boot, a partition's
 *     end or a change of standing.
 *  3. The block does not move to and fro with an ARN that comes and goes. One that was restarted is
 *     OUT until it has served for the hold. One whose link flaps does not know that it was away: on
 *     its return two masters face each other, each of which had lost the other. The lower one
 *     then steps back (HELD) for a hold, and the one that had to stand in for it stays; who stood
 *     in heeds it only when it goes on announcing itself as before. If the lower one cannot hear the
 *     other (the loss was one-way), it does so, and wins as ever.
 *  4. A backup takes over without any hold: it has served it already. Who hears that the master is
 *     OUT, or its goodbye, does so at once.
 *  5. A new ARN listens for one timeout before it elects itself.
 *  6. The end of a connection (peers.h) is a hint: who is doubted does not count until it is heard
 *     again, an eighth of an interval later at the earliest, since its last word may still be under
 *     way. If it is dead, the next one waits for nothing. If it lives, and something between the
 *     two closed the connection, it keeps the block; the other one has it too, for an interval and
 *     that eighth at most if nothing is lost. Nobody is doubted again for a hold, so this cannot be
 *     had at will.
 *
 * Or each anycast address has a master of its own (row C3): of the ARNs with the highest standing that
 * is there, the one whose name gives the highest number when it is hashed with the address. Everybody
 * computes that for himself, of whom it hears and of itself. So, for each address by the same proof:
 *
 *  7. An address has no owner for longer than a timeout: never, while an eligible ARN is there.
 *  8. An ARN that fails, leaves or comes changes the owner of no address but those that are or become
 *     its own: whether A comes before B does not depend on C. (Unless it was the last one READY, and
 *     others are only HELD.)
 *  9. No address moves to and fro: 3. holds for each.
 */
#ifndef ARN_ELECTION_H
#define ARN_ELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define ELECTION_MAX 64 /* other ARNs of this block */

struct election_conf {
	struct prefix block; /* ARNs of another one are of another cluster */
	ns_t interval;       /* between own announcements */
	int misses;          /* of an ARN's own intervals, until it is gone */
	ns_t hold;           /* stepped back for so long */
	bool all;            /* whoever is eligible has the block up, master or not (row A8) */
	const struct addr *address; /* borrowed: those that have an owner each; at most 64 */
	int addresses;
};

struct election_peer {
	struct announce said; /* its last announcement */
	ns_t heard_at, expires;
	ns_t heed_at;    /* counts only if it was heard at or after that: see 3. and 6. above */
	ns_t sure_until; /* no further doubt till then */
	uint64_t announcements;
};

struct election {
	struct election_conf conf;
	char id[ANNOUNCE_ID_LEN];
	struct addr addr; /* AF_UNSPEC: none known; worse than any other */
	bool able;        /* what election_set_able said */
	ns_t listen_until;
	ns_t held_until; /* HELD till then */
	struct election_peer peer[ELECTION_MAX];
	int n;
	/* The outcome: */
	bool master;
	bool heir; /* nobody better is known: a master, or one that leaves and has no other */
	bool listening;
	uint64_t owned; /* bit i: this one owns conf.address[i] */
	enum announce_standing standing;
	const char *reason;          /* of being master or backup; a constant string */
	char ruler[ANNOUNCE_ID_LEN]; /* whom this one takes for the master; "": nobody */
	const char *loss;            /* how the last master was lost, for `reason` */
	bool greet;                  /* somebody new is there, and has to hear us */
};

/* Begins to listen at `now`. The block and id are copied. */
void election_init(struct election *e, const struct election_conf *c, const char *id, ns_t now);
void election_set_conf(struct election *e, const struct election_conf *c);
void election_set_addr(struct election *e, const struct addr *addr);
/* Whether this ARN could have the block at once (it has served for the hold, is not leaving). */
void election_set_able(struct election *e, bool able);

/* An authenticated announcement of an ARN. 0; -ENOENT: of another cluster, or our own, ignored;
 * -ENOSPC: more than ELECTION_MAX peers. */
int election_hear(struct election *e, const struct announce *a, ns_t now);
/* An authenticated goodbye of the ARN with this id. False when it is not known. */
bool election_goodbye(struct election *e, const char *id);

/* The connection to this ARN has ended as connections of the dead do. Whether that changes
 * anything: not if it is unknown, or was doubted a moment ago. */
bool election_doubt(struct election *e, const char *id, ns_t now);

/* To be called after any of the above and at election_when(): brings the outcome up to date. True:
 * what is announced has changed, or somebody new has to hear it: announce at once. */
bool election_step(struct election *e, ns_t now);
ns_t election_when(const struct election *e, ns_t now);

/* The id of the ARN that owns an anycast address, as of the last step; "": nobody is eligible. */
const char *election_owner(const struct election *e, const struct addr *address);

/* How many ARNs have the block up, as far as is known: those that take themselves for the master, or,
 * with conf.all, all that are eligible; this one is counted in any case. *turn is how many of them
 * have a lower address than this one. */
unsigned election_active(const struct election *e, unsigned *turn);

/* Puts what the others have to know into *a (id, address, interval, block, standing, master). */
void election_announce(const struct election *e, struct announce *a);

const char *election_standing_str(enum announce_standing s);

#endif

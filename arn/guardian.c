/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guardian and its worker.
 *
 * The anycast block must be reachable through this node exactly while it can serve. So its fate is
 * bound to two things. To a descriptor: the block lies on a TUN interface that the kernel removes
 * when the guardian ends, however it ends, with no code of ours running. And to the worker's word:
 * the process that does the work vouches for itself several times within the hang bound; when it
 * falls silent, the guardian lets go of the interface, and then kills and replaces the worker.
 *
 * What if the guardian itself hangs or is stopped? Each of the two has a dead-man's switch in the
 * kernel (deadman.h): the guardian that does not come round within the hang bound is killed by its
 * own timer, and the block goes with it. The worker dies with the guardian (PR_SET_PDEATHSIG, and
 * the end of the line). All four cases, either or both killed or stopped, end within the bound.
 *
 * The worker is a fork and inherits what is open. It must not hold the interface, or the block
 * would outlive the guardian: so workers are started only while there is no interface (fate.h),
 * and there is nothing to inherit, at no moment.
 *
 * To be sure of its turn on a busy machine, the guardian runs with real-time priority where it
 * may, and keeps its memory. What it does to the block it does before it tells anybody. All its
 * decisions are fate.c's: here is only the poll loop that feeds it and does as it says.
 *
 * It never waits for a worker that ended, not even with WNOHANG: what is left of a process in /proc
 * is taken away by whoever reaps it, who turns in the kernel for as long as one of its last threads
 * is half-way through the same. With real-time priority, on the processor of that thread, this would
 * be until the guardian's own timer kills it. So workers are reaped by the kernel (SA_NOCLDWAIT), as
 * their last thread ends, and what the guardian has to know comes with SIGCHLD.
 */
#include "arn/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arn/block.h"
#include "arn/claim.h"
#include "arn/deadman.h"
#include "arn/share.h"
#include "lib/event.h"
#include "lib/log.h"

#define BEATS_IN_BOUND  6
#define HIGH_DESCRIPTOR 200
/* How long the kernel may take to change an interface. It does that for one at a time (RTNL), and on a
 * busy host who has his turn may himself wait for a processor: 0.5 s were measured. */
#define KERNEL_BOUND (5 * NS_S)

struct guardian {
	const struct arn_conf *conf;
	const char *conf_path;
	guardian_worker_fn *run_worker;
	struct fate fate;
	struct block *block;
	struct claim *claim; /* NULL: no floating next hop */
	struct share share;  /* of no address, unless each has a master of its own */
	struct deadman deadman;
	struct guardian_word word; /* what the worker was told last, or is to be told */
	bool told;
	int signals; /* signalfd */
	int line;    /* to the worker, -1: none */
	pid_t pid;   /* of the worker, 0: none */
};

ns_t guardian_beat_interval(const struct arn_conf *conf)
{
	return conf->anycast.hang_bound / BEATS_IN_BOUND;
}

static void emit_block(struct guardian *g, const char *event, ns_t now)
{
	char text[ADDR_STRLEN];
	struct js *o;

	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "block", prefix_str(&g->conf->anycast.block, text));
	js_put_str(o, "interface", g->conf->anycast.interface);
	if (g->fate.block != FATE_UP)
		js_put_str(o, "reason", g->fate.reason);
	event_emit(event, now, o);
}

static void emit_worker(const char *event, ns_t now, pid_t pid, const char *how)
{
	struct js *o;

	if (!event_wanted())
		return;
	o = js_object();
	js_put_int(o, "pid", pid);
	if (how)
		js_put_str(o, "how", how);
	event_emit(event, now, o);
}

/* Tells the worker what has changed. A worker that does not read will hear it later, or never. */
static void tell(struct guardian *g, enum guardian_order order)
{
	g->word.order = order;
	g->word.block = g->fate.block;
	g->word.ready = g->fate.ready;
	g->word.claims = g->claim && claim_held(g->claim);
	g->word.holds = g->share.held;
	g->word.contested = g->claim ? claim_counters(g->claim)->contested : 0;
	g->word.spawned = g->fate.spawned;
	snprintf(g->word.reason, sizeof(g->word.reason), "%s", g->fate.reason);
	g->told = g->line >= 0 && send(g->line, &g->word, sizeof(g->word),
					  MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(g->word);
}

/* ---- the worker ---- */

static void close_line(struct guardian *g)
{
	if (g->line >= 0)
		close(g->line);
	g->line = -1;
}

/* The child: lets go of what is the guardian's, and becomes the worker. */
static int become_worker(struct guardian *g, int line, pid_t guardian)
{
	struct guardian_charge charge = {.line = line, .draining = g->fate.draining};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != guardian)
		return EX_UNAVAILABLE; /* it was gone before we could ask */
	prctl(PR_SET_NAME, "arn-worker");
	setpriority(PRIO_PROCESS, 0, -10); /* its silence would count as a failure; if it may */
	/* Orders come over the line alone: a terminal's or a service manager's signal goes to both
	 * processes, and the worker must not end before the guardian has withdrawn the block. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_line(g);
	close(g->signals);
	block_free(g->block);
	claim_free(g->claim);
	return g->run_worker(g->conf, g->conf_path, &charge);
}

static void spawn(struct guardian *g, ns_t now)
{
	pid_t self = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		log_msg(NLOG_ERROR, "no socket pair for a worker: %s", strerror(errno));
		fate_gone(&g->fate, now);
		return;
	}
	g->pid = fork();
	if (g->pid == 0) {
		int code;

		close(pair[0]);
		code = become_worker(g, pair[1], self);
		fflush(NULL);
		_exit(code);
	}
	close(pair[1]);
	if (g->pid < 0) {
		log_msg(NLOG_ERROR, "no process for a worker: %s", strerror(errno));
		close(pair[0]);
		g->pid = 0;
		fate_gone(&g->fate, now);
		return;
	}
	/* A process that is killed closes its files from the highest down: the worker, and through
	 * it the other ARNs, know of the guardian's end before the kernel has removed the
	 * interface, which takes some 20 ms. */
	g->line = fcntl(pair[0], F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR);
	if (g->line < 0)
		g->line = pair[0];
	else
		close(pair[0]);
	log_msg(NLOG_INFO, "worker %d started", (int)g->pid);
	emit_worker("worker-start", now, g->pid, NULL);
	tell(g, GUARDIAN_STATE);
}

static void worker_ended(struct guardian *g, const char *how, ns_t now)
{
	fate_gone(&g->fate, now);
	log_msg(g->fate.stopping ? NLOG_INFO : NLOG_ERROR, "worker %d %s", (int)g->pid, how);
	emit_worker("worker-end", now, g->pid, how);
	close_line(g);
	g->pid = 0;
}

static void take_child(struct guardian *g, const struct signalfd_siginfo *s, ns_t now)
{
	char how[48];

	if (!g->pid || (pid_t)s->ssi_pid != g->pid)
		return;
	if (s->ssi_code == CLD_EXITED)
		snprintf(how, sizeof(how), "exited with %d", s->ssi_status);
	else
		snprintf(how, sizeof(how), "killed by SIG%s", sigabbrev_np(s->ssi_status));
	worker_ended(g, how, now);
}

/* A signal for which the kernel had no memory does not say whom it is about. */
static bool worker_missing(const struct guardian *g)
{
	return g->pid && kill(g->pid, 0) < 0 && errno == ESRCH;
}

static void hear(struct guardian *g, ns_t now)
{
	struct fate_beat b;

	while (g->line >= 0) {
		ssize_t n = recv(g->line, &b, sizeof(b), MSG_DONTWAIT);

		if (n == sizeof(b)) {
			fate_beat(&g->fate, &b, now);
			share_want(&g->share, b.owned, now);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			return;
		} else {
			fate_closed(&g->fate, now);
			close_line(g);
		}
	}
}

/* ---- the block ---- */

/* A block that is up while nobody answers for its next hop would be out of reach. */
static int open_claim(const struct guardian *g)
{
	char text[ADDR_STRLEN];
	int err = g->claim ? claim_open(g->claim) : 0;

	if (err)
		log_msg(NLOG_ERROR, "next hop %s on %s: %s",
			addr_host(&g->conf->anycast.next_hop, text), g->conf->interface,
			err == -EADDRINUSE ? "it is an address of this host, expected one that no "
					     "host has"
			: err == -ENOTSUP  ? "the interface is no Ethernet"
					   : strerror(-err));
	return err;
}

static void raise_block(struct guardian *g, ns_t now)
{
	int err;

	if (open_claim(g) < 0) {
		fate_raise_failed(&g->fate, now);
		return;
	}
	err = block_raise(g->block);
	if (err) {
		fate_raise_failed(&g->fate, now);
		log_msg(NLOG_ERROR, "interface %s cannot be made: %s%s", g->conf->anycast.interface,
			strerror(-err),
			err == -EPERM || err == -EACCES
				? ": it takes CAP_NET_ADMIN and /dev/net/tun"
				: "");
		return;
	}
	g->word.raised++;
	g->word.since = now;
	log_msg(NLOG_INFO, "block up on %s", g->conf->anycast.interface);
	emit_block(g, "block-up", now);
}

static void withdraw_block(struct guardian *g, ns_t now)
{
	int err = block_withdraw(g->block);

	if (err)
		log_msg(NLOG_WARN, "address of %s cannot be removed: %s",
			g->conf->anycast.interface, strerror(-err));
	g->word.since = now;
	log_msg(NLOG_INFO, "block withdrawn: %s", g->fate.reason);
	emit_block(g, "block-down", now);
}

static void drop_block(struct guardian *g, ns_t now, bool was_up)
{
	block_drop(g->block);
	share_drop(&g->share);
	if (g->claim)
		claim_close(g->claim);
	g->word.since = now;
	if (was_up) {
		log_msg(NLOG_ERROR, "block down: %s", g->fate.reason);
		emit_block(g, "block-down", now);
	} else {
		log_msg(NLOG_INFO, "interface %s gone", g->conf->anycast.interface);
	}
}

/* Whether this one answers for the next hop follows from all that has happened before in a turn. */
static void turn_claim(struct guardian *g, ns_t now)
{
	char text[ADDR_STRLEN];
	bool claimed;
	struct js *o;

	if (!g->claim)
		return;
	claimed = fate_claims(&g->fate);
	if (!claim_set(g->claim, claimed, g->fate.empty, now))
		return claim_turn(g->claim, now);
	claim_turn(g->claim, now);
	addr_host(&g->conf->anycast.next_hop, text);
	log_msg(NLOG_INFO, "next hop %s %s", text, claimed ? "claimed" : "yielded");
	if (!event_wanted())
		return;
	o = js_object();
	js_put_str(o, "next_hop", text);
	event_emit(claimed ? "next-hop-claimed" : "next-hop-yielded", now, o);
}

/* ---- the loop ---- */

static enum fate_action act(struct guardian *g, ns_t now)
{
	bool was_up = g->fate.block == FATE_UP;
	enum fate_action a = fate_next(&g->fate, now);

	/* The bound is for a block that is up while nobody serves. It is not up before it is raised,
	 * and once its end has begun, killing this process would make that no quicker. */
	if (a == FATE_RAISE || a == FATE_WITHDRAW || a == FATE_DROP)
		deadman_grant(&g->deadman, KERNEL_BOUND);
	switch (a) {
	case FATE_NOTHING:
	case FATE_EXIT: return a;
	case FATE_SPAWN: spawn(g, now); return a;
	case FATE_KILL:
		if (g->pid > 0) /* never our own group */
			kill(g->pid, SIGKILL);
		log_msg(NLOG_ERROR, "worker %d: %s; killed", (int)g->pid, g->fate.reason);
		return a;
	case FATE_RAISE: raise_block(g, now); break;
	case FATE_WITHDRAW: withdraw_block(g, now); break;
	case FATE_DROP: drop_block(g, now, was_up); break;
	case FATE_FINISH: tell(g, GUARDIAN_FINISH); return a;
	}
	tell(g, GUARDIAN_STATE);
	return a;
}

/* In every turn before the line is read: fate must know of a worker's end before that of its line. */
static void take_signals(struct guardian *g, ns_t now)
{
	bool missing = worker_missing(g); /* asked first: then its signal, if any, is there */
	struct signalfd_siginfo s;

	while (read(g->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			take_child(g, &s, now);
		if (s.ssi_signo == SIGHUP)
			tell(g, GUARDIAN_RELOAD);
		if (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT) {
			log_msg(NLOG_INFO, "SIG%s: stopping", sigabbrev_np((int)s.ssi_signo));
			fate_stop(&g->fate, now);
		}
	}
	if (missing && g->pid)
		worker_ended(g, "ended", now);
}

/* An address of the block, by itself, is put on the interface or taken away. */
static void turn_share(struct guardian *g, ns_t now)
{
	const struct conf_addr_list *list = &g->conf->anycast.addresses;
	char text[ADDR_STRLEN];
	bool add;
	int i;

	while ((i = share_next(&g->share, g->fate.block == FATE_UP, &add, now)) >= 0) {
		struct js *o;
		int err;

		deadman_grant(&g->deadman, KERNEL_BOUND);
		err = block_put(g->block, &list->addr[i], add);
		deadman_feed(&g->deadman);

		addr_host(&list->addr[i], text);
		if (err)
			log_msg(NLOG_ERROR, "address %s on %s: %s", text,
				g->conf->anycast.interface, strerror(-err));
		else
			log_msg(NLOG_INFO, "address %s %s", text, add ? "up" : "down");
		if (err || !event_wanted())
			continue;
		o = js_object();
		js_put_str(o, "address", text);
		event_emit(add ? "address-up" : "address-down", now, o);
	}
}

/* Since the worker was told. */
static bool claim_changed(const struct guardian *g)
{
	return g->claim && (g->word.claims != claim_held(g->claim) ||
				   g->word.contested != claim_counters(g->claim)->contested);
}

static int timeout_ms(const struct guardian *g, ns_t now)
{
	ns_t wait = fate_when(&g->fate), most = guardian_beat_interval(g->conf);

	if (share_when(&g->share) < wait)
		wait = share_when(&g->share);
	if (g->claim && claim_when(g->claim) < wait)
		wait = claim_when(g->claim);
	wait = wait == NS_NEVER ? most : wait - now;
	if (wait > most)
		wait = most;
	return wait > 0 ? (int)((wait + NS_MS - 1) / NS_MS) : 0;
}

static void guard(struct guardian *g)
{
	for (;;) {
		ns_t now = clock_now();
		struct pollfd p[4] = {{.fd = g->signals, .events = POLLIN},
			{.fd = g->line, .events = POLLIN}, {.fd = block_fd(g->block)},
			{.fd = g->claim ? claim_fd(g->claim, now) : -1, .events = POLLIN}};
		enum fate_action a;

		poll(p, 4, timeout_ms(g, now));
		deadman_feed(&g->deadman);
		now = clock_now();
		if (p[2].revents & (POLLERR | POLLHUP)) {
			fate_block_lost(&g->fate, now);
			log_msg(NLOG_ERROR, "interface %s was removed by someone",
				g->conf->anycast.interface);
			drop_block(g, now, true);
			tell(g, GUARDIAN_STATE);
		}
		take_signals(g, now);
		hear(g, now);
		while ((a = act(g, now)) != FATE_NOTHING) {
			if (a == FATE_EXIT)
				return;
			deadman_feed(&g->deadman);
		}
		turn_claim(g, now);
		turn_share(g, now);
		if (!g->told || claim_changed(g) || g->word.holds != g->share.held ||
			g->word.ready != g->fate.ready)
			tell(g, GUARDIAN_STATE);
	}
}

/* Its turn must come also when the machine is busy. Not being allowed to is no failure. */
static void be_punctual(void)
{
	struct sched_param p = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &p) < 0)
		log_msg(NLOG_INFO, "no real-time priority: %s", strerror(errno));
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_msg(NLOG_INFO, "memory not locked: %s", strerror(errno));
}

static int open_signals(void)
{
	/* Workers are not to be waited for: see the head of this file. */
	struct sigaction child = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT | SA_NOCLDSTOP};
	sigset_t set;

	sigaction(SIGCHLD, &child, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int guardian_run(const struct arn_conf *conf, const char *conf_path, guardian_worker_fn *worker)
{
	bool floats = conf->anycast.next_hop.sa.sa_family != AF_UNSPEC;
	struct guardian g = {
		.conf = conf, .conf_path = conf_path, .run_worker = worker, .line = -1};
	struct fate_conf fc = {
		.hang_bound = conf->anycast.hang_bound,
		.start_bound = 5 * NS_S + conf->anycast.hang_bound,
		.hold = conf->anycast.hold,
		.settle = 1500 * NS_MS, /* BIRD's OSPF computes at 1 s ticks */
		/* Nor does OSPF originate an LSA anew within 5 s (MinLSInterval, RFC 2328, B): so
	         * long a block that was drained and comes back may be unknown to routers. */
		.yield = 7 * NS_S,
		.drain_time = 1500 * NS_MS + conf->limits.request_timeout,
		.backoff_min = 100 * NS_MS,
		.backoff_max = 10 * NS_S,
		.shared = floats || conf->anycast.active != ARN_ACTIVE_MASTER,
	};
	int err;

	g.word.guardian = getpid();
	g.word.since = clock_now();
	g.block = block_new(&conf->anycast.block, conf->anycast.interface,
		conf->anycast.active == ARN_ACTIVE_EACH, &err);
	if (!g.block) {
		log_msg(NLOG_ERROR, "no netlink socket: %s", strerror(-err));
		return EX_OSERR;
	}
	if (floats) {
		g.claim = claim_new(&conf->anycast.next_hop, conf->interface);
		if (!g.claim) {
			block_free(g.block);
			return EX_OSERR;
		}
	}
	g.signals = open_signals();
	err = deadman_init(&g.deadman, conf->anycast.hang_bound);
	if (g.signals < 0 || err) {
		log_msg(NLOG_ERROR, "no signals or timer: %s", strerror(err ? -err : errno));
		claim_free(g.claim);
		block_free(g.block);
		return EX_OSERR;
	}
	be_punctual();
	if (conf->anycast.active == ARN_ACTIVE_EACH)
		share_init(&g.share, conf->anycast.addresses.n, fc.yield);
	fate_init(&g.fate, &fc, clock_now());
	guard(&g);
	claim_free(g.claim);
	block_free(g.block);
	close(g.signals);
	log_msg(NLOG_INFO, "stopped");
	return EX_OK;
}

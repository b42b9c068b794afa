/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Streams and listeners over loopback: delivery, bounds, ends, and freeing from callbacks. */
#include "lib/stream.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define BIG (1 << 20)

static struct loop *loop;
static struct loop_timer *guard;
static struct listener *listener;

/* What one end saw. */
struct end {
	struct stream *s;
	char got[2 * BIG];
	size_t n;       /* bytes */
	size_t take;    /* consumes this many a call, 0: all */
	size_t minimum; /* consumes nothing with less */
	size_t stop_at; /* stops the loop with that many bytes */
	int opened, closed, err, calls, drained;
	bool hold;    /* holds the stream in on_data */
	bool discard; /* takes all, keeps nothing */
	enum { KEEP, FREE_ON_DATA, FREE_ON_OPEN } when;
};
static struct end client, server;

static void on_guard(void *arg)
{
	(void)arg;
	ck_abort_msg("the test did not end");
}

static void on_open(void *arg)
{
	struct end *e = arg;

	e->opened++;
	if (e->when == FREE_ON_OPEN) {
		stream_free(e->s);
		e->s = NULL;
		loop_stop(loop);
	}
}

static size_t on_data(void *arg, const uint8_t *p, size_t n)
{
	struct end *e = arg;

	e->calls++;
	if (n < e->minimum)
		return 0;
	if (e->discard)
		return n;
	if (e->take && n > e->take)
		n = e->take;
	ck_assert_uint_le(e->n + n, sizeof(e->got));
	memcpy(e->got + e->n, p, n);
	e->n += n;
	if (e->when == FREE_ON_DATA) {
		stream_free(e->s);
		e->s = NULL;
		loop_stop(loop);
	}
	if (e->stop_at && e->n >= e->stop_at)
		loop_stop(loop);
	if (e->hold)
		stream_hold(e->s, true);
	return n;
}

static void on_drained(void *arg)
{
	struct end *e = arg;

	e->drained++;
	loop_stop(loop);
}

static void on_close(void *arg, int err)
{
	struct end *e = arg;

	ck_assert_int_eq(e->closed, 0);
	e->closed = 1;
	e->err = err;
	loop_stop(loop);
}

static const struct stream_ops ops = {on_open, on_data, on_close};

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	ck_assert_ptr_null(server.s);
	ck_assert_int_ne(peer->sa.sa_family, AF_UNSPEC);
	server.s = stream_new(loop, fd, &ops, &server, 65536, 4 * BIG);
	ck_assert_ptr_nonnull(server.s);
}

static void setup(void)
{
	struct addr at = literal("127.0.0.1");
	int err;

	memset(&client, 0, sizeof(client));
	memset(&server, 0, sizeof(server));
	loop = loop_new();
	guard = loop_timer_new(loop, on_guard, NULL);
	loop_timer_at(guard, clock_now() + 20 * NS_S);
	listener = listener_new(loop, &at, 16, on_accept, NULL, &err);
	ck_assert_ptr_nonnull(listener);
}

static void teardown(void)
{
	stream_free(client.s);
	stream_free(server.s);
	listener_free(listener);
	loop_timer_free(guard);
	loop_free(loop);
}

static void dial(size_t max_in, size_t max_out)
{
	int err;

	client.s = stream_connect(
		loop, listener_addr(listener), NULL, &ops, &client, max_in, max_out, &err);
	ck_assert_ptr_nonnull(client.s);
	ck_assert_int_eq(client.opened, 0);
}

/* Runs the loop for a while: for what must not happen. */
static void idle(ns_t time)
{
	struct loop_timer *t = loop_timer_new(loop, (loop_timer_cb *)loop_stop, loop);

	loop_timer_at(t, clock_now() + time);
	loop_run(loop);
	loop_timer_free(t);
}

START_TEST(test_connects_and_both_ends_know_each_other)
{
	dial(4096, 4096);
	server.stop_at = 4;
	ck_assert_int_eq(stream_write(client.s, "ping", 4), 0); /* queued until it is open */
	ck_assert_uint_eq(stream_unsent(client.s), 4);
	loop_run(loop);
	ck_assert_int_eq(client.opened, 1);
	ck_assert_int_eq(server.opened, 0);
	ck_assert_mem_eq(server.got, "ping", 4);
	ck_assert_uint_eq(stream_unsent(client.s), 0);
	ck_assert_int_eq(addr_cmp(stream_peer(client.s), listener_addr(listener)), 0);
	ck_assert_int_eq(addr_cmp(stream_local(client.s), stream_peer(server.s)), 0);
	ck_assert_int_eq(addr_cmp(stream_local(server.s), stream_peer(client.s)), 0);
}
END_TEST

START_TEST(test_binds_to_the_source_asked_for)
{
	struct addr src = literal("127.0.0.9");
	int err;

	client.s = stream_connect(
		loop, listener_addr(listener), &src, &ops, &client, 4096, 4096, &err);
	server.stop_at = 1;
	stream_write(client.s, "x", 1);
	loop_run(loop);
	ck_assert(addr_same_host(stream_peer(server.s), &src));
	src = literal("192.0.2.1"); /* not ours */
	ck_assert_ptr_null(stream_connect(
		loop, listener_addr(listener), &src, &ops, &client, 4096, 4096, &err));
	ck_assert_int_eq(err, -EADDRNOTAVAIL);
}
END_TEST

START_TEST(test_refused_connection_is_told_later)
{
	struct addr at = *listener_addr(listener);
	int err;

	listener_free(listener);
	listener = NULL;
	client.s = stream_connect(loop, &at, NULL, &ops, &client, 4096, 4096, &err);
	ck_assert_ptr_nonnull(client.s);
	ck_assert_int_eq(client.closed, 0);
	loop_run(loop);
	ck_assert_int_eq(client.err, -ECONNREFUSED);
	ck_assert_int_eq(client.opened, 0);
	ck_assert_int_eq(stream_write(client.s, "x", 1), -EPIPE);
}
END_TEST

START_TEST(test_connect_that_fails_at_once_is_told_later)
{
	struct addr at = literal("224.0.0.1:9"); /* no TCP to a group */
	int err;

	client.s = stream_connect(loop, &at, NULL, &ops, &client, 4096, 4096, &err);
	ck_assert_ptr_nonnull(client.s);
	ck_assert_int_eq(client.closed, 0);
	loop_run(loop);
	ck_assert_int_eq(client.closed, 1);
	ck_assert_int_lt(client.err, 0);
	ck_assert_int_eq(client.opened, 0);
}
END_TEST

START_TEST(test_megabytes_arrive_in_order_through_small_reads)
{
	static uint8_t data[BIG];

	for (size_t i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	dial(4096, BIG);
	server.stop_at = BIG;
	server.take = 1000;
	ck_assert_int_eq(stream_write(client.s, data, BIG), 0);
	loop_run(loop);
	ck_assert_uint_eq(server.n, BIG);
	ck_assert_mem_eq(server.got, data, BIG);
}
END_TEST

START_TEST(test_what_is_not_consumed_comes_again_with_more)
{
	dial(4096, 4096);
	server.minimum = 8;
	server.stop_at = 8;
	stream_write(client.s, "half", 4);
	idle(20 * NS_MS);
	ck_assert_uint_eq(server.n, 0);
	ck_assert_int_ge(server.calls, 1);
	stream_write(client.s, "next", 4);
	loop_run(loop);
	ck_assert_mem_eq(server.got, "halfnext", 8);
}
END_TEST

START_TEST(test_what_has_come_can_be_read_before_the_loop_turns)
{
	dial(4096, 4096);
	while (!server.s || !client.opened)
		idle(NS_MS);
	ck_assert_int_eq(stream_write(client.s, "there", 5), 0);
	stream_read(server.s);
	ck_assert_mem_eq(server.got, "there", 5);
	stream_read(server.s); /* nothing is no end */
	ck_assert_int_eq(server.calls, 1);
	stream_free(client.s);
	client.s = NULL;
	stream_read(server.s);
	ck_assert_int_eq(server.closed, 1);
	stream_read(server.s);
}
END_TEST

START_TEST(test_what_was_read_before_comes_first)
{
	dial(64, 64);
	server.stop_at = 12;
	server.minimum = 12;
	while (!server.s || !client.opened)
		idle(NS_MS);
	ck_assert_int_eq(stream_feed(server.s, "before", 6), 0);
	ck_assert_uint_eq(server.n, 0);
	ck_assert_int_eq(stream_write(client.s, "behind", 6), 0);
	loop_run(loop);
	ck_assert_mem_eq(server.got, "beforebehind", 12);
	ck_assert_int_eq(stream_feed(client.s, server.got, 65), -ENOMEM);
	ck_assert_int_eq(client.calls, 0);
	server.minimum = 0;
	server.when = FREE_ON_DATA;
	ck_assert_int_eq(stream_feed(server.s, "last", 4), 0);
	ck_assert_ptr_null(server.s);
}
END_TEST

START_TEST(test_message_without_end_is_cut_off)
{
	static uint8_t data[70000];

	dial(4096, BIG);
	server.minimum = BIG;
	ck_assert_int_eq(stream_write(client.s, data, sizeof(data)), 0);
	loop_run(loop);
	ck_assert_int_eq(server.err, -EMSGSIZE);
}
END_TEST

START_TEST(test_exactly_the_bound_can_be_consumed)
{
	static uint8_t data[65535];

	dial(4096, BIG);
	server.minimum = 65535;
	server.stop_at = 65535;
	ck_assert_int_eq(stream_write(client.s, data, sizeof(data)), 0);
	loop_run(loop);
	ck_assert_int_eq(server.closed, 0);
	ck_assert_uint_eq(server.n, 65535);
}
END_TEST

START_TEST(test_output_is_bounded)
{
	static uint8_t data[BIG];
	int err = 0, sent = 0;

	dial(4096, BIG);
	server.stop_at = 1;
	stream_write(client.s, "x", 1);
	loop_run(loop);
	/* Nobody reads: the loop does not run. */
	while (err == 0 && sent++ < 100)
		err = stream_write(client.s, data, sizeof(data) / 2);
	ck_assert_int_eq(err, -ENOBUFS);
	ck_assert_uint_le(stream_unsent(client.s), BIG);
	/* The stream is not broken by that. */
	ck_assert_int_eq(stream_write(client.s, data, BIG - stream_unsent(client.s)), 0);
	ck_assert_int_eq(stream_write(client.s, data, 1), -ENOBUFS);
}
END_TEST

START_TEST(test_stream_that_is_held_reads_nothing_and_its_peer_has_to_wait)
{
	static uint8_t data[BIG];

	dial(4096, 8 * BIG);
	server.hold = true;
	server.stop_at = 1;
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(stream_write(client.s, data, sizeof(data)), 0);
	loop_run(loop);
	idle(50 * NS_MS);
	size_t taken = server.n, waits = stream_unsent(client.s);
	ck_assert_int_eq(server.calls, 1);
	ck_assert_uint_le(taken, 65536);
	ck_assert_uint_gt(waits, 0); /* what the kernel holds is bounded, too */
	idle(20 * NS_MS);
	ck_assert_uint_eq(server.n, taken);
	ck_assert_uint_eq(stream_unsent(client.s), waits);
}
END_TEST

START_TEST(test_stream_that_is_let_go_of_goes_on_where_it_was)
{
	static uint8_t data[BIG];

	for (size_t i = 0; i < BIG; i++)
		data[i] = (uint8_t)(i * 7 + i / 4096);
	dial(4096, 2 * BIG);
	server.hold = true;
	server.stop_at = 1;
	server.take = 1000; /* some is left in its buffer */
	stream_write(client.s, data, sizeof(data));
	loop_run(loop);
	ck_assert_uint_eq(server.n, 1000);
	server.hold = false;
	server.take = 0;
	server.stop_at = BIG;
	stream_hold(server.s, false);
	stream_again(server.s);
	ck_assert_uint_gt(server.n, 1000);
	while (server.n < BIG)
		loop_run(loop);
	ck_assert_mem_eq(server.got, data, BIG);
}
END_TEST

START_TEST(test_owner_is_told_when_all_that_waited_has_gone)
{
	static uint8_t data[BIG];

	dial(4096, 16 * BIG);
	stream_on_drained(client.s, on_drained);
	while (stream_write(client.s, data, sizeof(data)) == 0)
		;
	ck_assert_int_eq(client.drained, 0);
	server.hold = true;
	server.stop_at = 1;
	loop_run(loop); /* the server holds: something is left */
	idle(20 * NS_MS);
	ck_assert_uint_gt(stream_unsent(client.s), 0);
	ck_assert_int_eq(client.drained, 0);
	server.hold = false;
	server.stop_at = 0;
	server.minimum = 1;
	server.discard = true;
	stream_hold(server.s, false);
	stream_again(server.s);
	loop_run(loop);
	ck_assert_int_eq(client.drained, 1);
	ck_assert_uint_eq(stream_unsent(client.s), 0);
}
END_TEST

START_TEST(test_peers_close_comes_after_its_data)
{
	dial(4096, 4096);
	stream_write(client.s, "last words", 10);
	stream_finish(client.s, 5 * NS_S);
	loop_run(loop);
	ck_assert_uint_eq(server.n, 10);
	ck_assert_int_eq(server.closed, 1);
	ck_assert_int_eq(server.err, 0);
	ck_assert_int_eq(client.closed, 0);
	stream_free(server.s);
	server.s = NULL;
	loop_run(loop);
	ck_assert_int_eq(client.closed, 1);
	ck_assert_int_eq(client.err, 0);
}
END_TEST

START_TEST(test_finish_gives_up_after_the_linger)
{
	ns_t begin;

	dial(4096, 4096);
	server.stop_at = 1;
	stream_write(client.s, "x", 1);
	loop_run(loop);
	begin = clock_now();
	stream_finish(server.s, 50 * NS_MS); /* the client never closes */
	client.closed = 0;
	while (!server.closed) {
		loop_run(loop);
		client.closed = 0;
	}
	ck_assert_int_eq(server.err, -ETIMEDOUT);
	ck_assert_int_ge(clock_now() - begin, 50 * NS_MS);
}
END_TEST

START_TEST(test_finish_sends_all_that_waits_first)
{
	static uint8_t data[BIG];

	dial(4096, BIG);
	stream_write(client.s, data, BIG);
	stream_finish(client.s, 10 * NS_S);
	ck_assert_int_eq(stream_write(client.s, "x", 1), -EPIPE);
	loop_run(loop);
	ck_assert_int_eq(server.closed, 1);
	ck_assert_uint_eq(server.n, BIG);
}
END_TEST

static int raw = -1;

static void keep_raw(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	(void)peer;
	raw = fd;
	loop_stop(loop);
}

/* Reads what there is; how much in all. */
static size_t drain_raw(void)
{
	static char rest[65536];
	static size_t total;
	ssize_t n;

	while ((n = recv(raw, rest, sizeof(rest), MSG_DONTWAIT)) > 0)
		total += (size_t)n;
	return total;
}

START_TEST(test_peer_that_only_listens_any_more_still_gets_all)
{
	struct addr at = literal("127.0.0.1");
	static uint8_t data[4 * BIG];
	ns_t deadline = clock_now() + 10 * NS_S;
	struct listener *ls;
	int err, small = 32768;

	ls = listener_new(loop, &at, 16, keep_raw, NULL, &err);
	client.s = stream_connect(
		loop, listener_addr(ls), NULL, &ops, &client, 4096, sizeof(data), &err);
	setsockopt(stream_fd(client.s), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	loop_run(loop);
	setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	stream_write(client.s, data, sizeof(data));
	stream_finish(client.s, 10 * NS_S);
	idle(5 * NS_MS);
	ck_assert_uint_gt(stream_unsent(client.s), 0);
	shutdown(raw, SHUT_WR); /* it says nothing more, but reads on */
	while (drain_raw() < sizeof(data) && clock_now() < deadline)
		idle(NS_MS);
	ck_assert_uint_eq(drain_raw(), sizeof(data));
	while (!client.closed)
		loop_run(loop);
	ck_assert_int_eq(client.err, 0);
	close(raw);
	listener_free(ls);
}
END_TEST

START_TEST(test_reset_is_told_as_an_error)
{
	struct linger now = {.l_onoff = 1};

	dial(4096, 4096);
	server.stop_at = 1;
	stream_write(client.s, "x", 1);
	loop_run(loop);
	setsockopt(stream_fd(server.s), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	stream_free(server.s);
	server.s = NULL;
	loop_run(loop);
	ck_assert_int_eq(client.err, -ECONNRESET);
}
END_TEST

START_TEST(test_error_of_a_write_is_told_later_and_once)
{
	struct linger now = {.l_onoff = 1};

	dial(4096, 4096);
	server.stop_at = 1;
	stream_write(client.s, "x", 1);
	loop_run(loop);
	setsockopt(stream_fd(server.s), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	stream_free(server.s);
	server.s = NULL;
	ck_assert_int_eq(stream_write(client.s, "x", 1), -EPIPE);
	ck_assert_int_eq(client.closed, 0);
	loop_run(loop);
	ck_assert_int_eq(client.closed, 1);
	ck_assert_int_lt(client.err, 0);
	idle(20 * NS_MS);
}
END_TEST

START_TEST(test_stream_may_be_freed_in_on_data)
{
	dial(4096, 4096);
	server.when = FREE_ON_DATA;
	server.take = 1;
	stream_write(client.s, "abc", 3);
	loop_run(loop);
	ck_assert_uint_eq(server.n, 1);
	ck_assert_ptr_null(server.s);
}
END_TEST

START_TEST(test_stream_may_be_freed_in_on_open)
{
	dial(4096, 4096);
	client.when = FREE_ON_OPEN;
	stream_write(client.s, "abc", 3);
	loop_run(loop);
	ck_assert_ptr_null(client.s);
	ck_assert_int_eq(client.opened, 1);
}
END_TEST

static int accepted[4], n_accepted;

static void keep_fd(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	(void)peer;
	accepted[n_accepted++] = fd;
	loop_stop(loop);
}

START_TEST(test_listener_waits_when_descriptors_run_out)
{
	struct addr at = literal("127.0.0.1");
	struct rlimit old, tight;
	struct listener *ls;
	int err, probe;
	ns_t cpu;

	ls = listener_new(loop, &at, 16, keep_fd, NULL, &err);
	client.s = stream_connect(loop, listener_addr(ls), NULL, &ops, &client, 4096, 4096, &err);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	probe = dup(0);
	close(probe);
	tight = old;
	tight.rlim_cur = (rlim_t)probe; /* not one more */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	cpu = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	idle(300 * NS_MS);
	ck_assert_int_lt(clock_read(CLOCK_PROCESS_CPUTIME_ID) - cpu, 100 * NS_MS); /* no spin */
	ck_assert_int_eq(n_accepted, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (n_accepted == 0)
		loop_run(loop);
	close(accepted[0]);
	listener_free(ls);
}
END_TEST

static struct listener *suicidal;

static void free_listener(void *arg, int fd, const struct addr *peer)
{
	(void)arg;
	(void)peer;
	close(fd);
	listener_free(suicidal);
	loop_stop(loop);
}

START_TEST(test_listener_may_be_freed_in_its_callback)
{
	struct addr at = literal("::1");
	int err;

	suicidal = listener_new(loop, &at, 16, free_listener, NULL, &err);
	ck_assert_ptr_nonnull(suicidal);
	client.s = stream_connect(
		loop, listener_addr(suicidal), NULL, &ops, &client, 4096, 4096, &err);
	loop_run(loop);
	ck_assert_int_eq(listener_addr(listener)->sa.sa_family, AF_INET);
}
END_TEST

START_TEST(test_port_in_use_is_an_error)
{
	int err;

	ck_assert_ptr_null(listener_new(loop, listener_addr(listener), 16, on_accept, NULL, &err));
	ck_assert_int_eq(err, -EADDRINUSE);
}
END_TEST

START_TEST(test_port_of_ipv6_is_another_than_that_of_ipv4)
{
	struct addr at = addr_any(AF_INET6, addr_port(listener_addr(listener)));
	struct listener *six;
	int err;

	six = listener_new(loop, &at, 16, on_accept, NULL, &err);
	ck_assert_ptr_nonnull(six);
	ck_assert_uint_eq(addr_port(listener_addr(six)), addr_port(&at));
	listener_free(six);
}
END_TEST

START_TEST(test_unix_listener_replaces_a_stale_socket_only)
{
	char dir[] = "/tmp/check_stream.XXXXXX", path[64];
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct listener *ls;
	struct stat st;
	int err, stale;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	strcpy(un.sun_path, path);
	/* A socket whose process is gone. */
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(stale, (struct sockaddr *)&un, sizeof(un)), 0);
	close(stale);
	ls = listener_new_unix(loop, path, on_accept, NULL, &err);
	ck_assert_ptr_nonnull(ls);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	/* One that is served. */
	ck_assert_ptr_null(listener_new_unix(loop, path, on_accept, NULL, &err));
	ck_assert_int_eq(err, -EADDRINUSE);
	listener_free(ls);
	ck_assert_int_eq(stat(path, &st), -1);
	/* A file that is no socket is nobody's to remove. */
	f = fopen(path, "w");
	fclose(f);
	ck_assert_ptr_null(listener_new_unix(loop, path, on_accept, NULL, &err));
	ck_assert_int_eq(err, -EADDRINUSE);
	ck_assert_int_eq(stat(path, &st), 0);
	unlink(path);
	rmdir(dir);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("stream");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_connects_and_both_ends_know_each_other);
	tcase_add_test(t, test_binds_to_the_source_asked_for);
	tcase_add_test(t, test_refused_connection_is_told_later);
	tcase_add_test(t, test_connect_that_fails_at_once_is_told_later);
	tcase_add_test(t, test_megabytes_arrive_in_order_through_small_reads);
	tcase_add_test(t, test_what_is_not_consumed_comes_again_with_more);
	tcase_add_test(t, test_what_has_come_can_be_read_before_the_loop_turns);
	tcase_add_test(t, test_what_was_read_before_comes_first);
	tcase_add_test(t, test_message_without_end_is_cut_off);
	tcase_add_test(t, test_exactly_the_bound_can_be_consumed);
	tcase_add_test(t, test_output_is_bounded);
	tcase_add_test(t, test_stream_that_is_held_reads_nothing_and_its_peer_has_to_wait);
	tcase_add_test(t, test_stream_that_is_let_go_of_goes_on_where_it_was);
	tcase_add_test(t, test_owner_is_told_when_all_that_waited_has_gone);
	tcase_add_test(t, test_peers_close_comes_after_its_data);
	tcase_add_test(t, test_finish_gives_up_after_the_linger);
	tcase_add_test(t, test_finish_sends_all_that_waits_first);
	tcase_add_test(t, test_peer_that_only_listens_any_more_still_gets_all);
	tcase_add_test(t, test_reset_is_told_as_an_error);
	tcase_add_test(t, test_error_of_a_write_is_told_later_and_once);
	tcase_add_test(t, test_stream_may_be_freed_in_on_data);
	tcase_add_test(t, test_stream_may_be_freed_in_on_open);
	tcase_add_test(t, test_listener_waits_when_descriptors_run_out);
	tcase_add_test(t, test_listener_may_be_freed_in_its_callback);
	tcase_add_test(t, test_port_in_use_is_an_error);
	tcase_add_test(t, test_port_of_ipv6_is_another_than_that_of_ipv4);
	tcase_add_test(t, test_unix_listener_replaces_a_stale_socket_only);
	return run_case("stream", t);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accounts: parts of nodes go into databases, in any order and more than once, and one record a session
 * comes out. */
#include "lib/account.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/run.h"

#define T 1700000000000ll /* ms */

static char folder[] = "/tmp/check_account.XXXXXX";
static char err[ACCOUNT_ERR];
static struct account_session got[8];
static char words[8][3][128]; /* nodes, reason, user */
static int n_got;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static struct account_part part(uint64_t id, const char *identity, int64_t begin, int64_t seen)
{
	struct account_part p = {.id = id,
		.role = "player",
		.client = "10.2.82.1:40000",
		.channel = "/news",
		.transport = "udp",
		.begin = T + begin,
		.seen = T + seen,
		.count = {.packets = (uint64_t)(seen - begin),
			.bytes = (uint64_t)(seen - begin) * 1000}};

	snprintf(p.identity, sizeof(p.identity), "%s", identity);
	return p;
}

static struct account_part ended(struct account_part p, const char *reason)
{
	snprintf(p.reason, sizeof(p.reason), "%s", reason);
	return p;
}

static struct account_db *opened(const char *path)
{
	struct account_db *db = account_db_open(path, true, err);

	ck_assert_msg(db != NULL, "%s: %s", path, err);
	return db;
}

static void put(struct account_db *db, const char *node, struct account_part p)
{
	ck_assert_msg(!account_db_put(db, node, &p, 1, err), "%s", err);
}

static void take(void *arg, const struct account_session *s)
{
	(void)arg;
	ck_assert_int_lt(n_got, 8);
	got[n_got] = *s;
	snprintf(words[n_got][0], 128, "%s", s->nodes);
	snprintf(words[n_got][1], 128, "%s", s->reason ? s->reason : "-");
	snprintf(words[n_got][2], 128, "%s", s->user ? s->user : "-");
	n_got++;
}

static int sessions(struct account_db *db)
{
	n_got = 0;
	ck_assert_msg(!account_db_sessions(db, take, NULL, err), "%s", err);
	return n_got;
}

/* Whether the i-th record is so. */
static void is(int i, const char *nodes, double seconds, int64_t bytes, const char *reason)
{
	ck_assert_str_eq(words[i][0], nodes);
	ck_assert(got[i].seconds > seconds - 0.0005 && got[i].seconds < seconds + 0.0005);
	ck_assert_int_eq(got[i].bytes, bytes);
	ck_assert_str_eq(words[i][1], reason);
}

START_TEST(test_a_part_grows_and_never_shrinks)
{
	struct account_db *db = opened(":memory:");

	put(db, "sn1", part(1, "aa", 0, 0));
	ck_assert_int_eq(sessions(db), 1);
	is(0, "sn1", 0, 0, "-");
	put(db, "sn1", part(1, "aa", 0, 5000));
	put(db, "sn1", part(1, "aa", 0, 3000)); /* old news */
	ck_assert_int_eq(sessions(db), 1);
	is(0, "sn1", 5, 5000000, "-");
	put(db, "sn1", ended(part(1, "aa", 0, 5000), "teardown"));
	put(db, "sn1", part(1, "aa", 0, 5000));
	ck_assert_int_eq(sessions(db), 1);
	is(0, "sn1", 5, 5000000, "teardown");
	account_db_close(db);
}
END_TEST

START_TEST(test_a_session_that_moved_is_one_record_with_its_nodes_in_order)
{
	struct account_db *db = opened(":memory:");

	/* By names the order would be another. */
	put(db, "sn2", ended(part(7, "aa", 0, 60000), ACCOUNT_DIED));
	put(db, "sn1", ended(part(8, "aa", 60500, 90500), "teardown"));
	put(db, "sn1", part(9, "bb", 0, 1000));
	ck_assert_int_eq(sessions(db), 2);
	is(0, "sn2 sn1", 90, 90000000, "teardown");
	is(1, "sn1", 1, 1000000, "-");
	ck_assert_int_eq(got[0].parts, 2);
	ck_assert_int_eq(got[0].begin, T);
	ck_assert_int_eq(got[0].end, T + 90500);
	/* There and back again, and twice at a node. */
	put(db, "sn1", ended(part(10, "aa", 100000, 101000), "teardown"));
	put(db, "sn2", ended(part(11, "aa", 102000, 103000), "teardown"));
	ck_assert_int_eq(sessions(db), 2);
	is(0, "sn2 sn1 sn2", 92, 92000000, "teardown");
	ck_assert_int_eq(got[0].parts, 4);
	account_db_close(db);
}
END_TEST

START_TEST(test_time_at_two_nodes_at_once_counts_once)
{
	struct account_db *db = opened(":memory:");

	/* A false alarm: the new node was left again, the old one goes on. */
	put(db, "sn1", part(1, "aa", 0, 20000));
	put(db, "sn2", ended(part(2, "aa", 5000, 6000), "teardown"));
	ck_assert_int_eq(sessions(db), 1);
	is(0, "sn1 sn2", 20, 21000000, "-");
	/* A true one, with a third that overlaps both. */
	put(db, "sn3", ended(part(3, "aa", 18000, 30000), "teardown"));
	ck_assert_int_eq(sessions(db), 1);
	is(0, "sn1 sn2 sn3", 30, 33000000, "teardown");
	account_db_close(db);
}
END_TEST

START_TEST(test_a_node_that_starts_ends_what_it_left_open)
{
	struct account_db *db = opened("node.db");

	put(db, "sn1", part(1, "aa", 0, 5000));
	put(db, "sn1", ended(part(2, "bb", 0, 6000), "teardown"));
	put(db, "sn2", part(1, "cc", 0, 7000));
	account_db_close(db);
	db = opened("node.db");
	ck_assert_int_eq(account_db_died(db, "sn1", err), 0);
	ck_assert_int_eq(sessions(db), 3);
	is(0, "sn1", 5, 5000000, ACCOUNT_DIED);
	is(1, "sn1", 6, 6000000, "teardown");
	is(2, "sn2", 7, 7000000, "-");
	account_db_close(db);
}
END_TEST

/* Two nodes' databases are merged over and over, in both orders, while one of them changes. */
START_TEST(test_merging_again_or_in_another_order_changes_nothing)
{
	static const char *const order[] = {"12", "21", "1221", "212", "11212"};
	struct account_db *a = opened("1"), *b = opened("2"), *all;
	struct stat st;

	put(a, "sn1", part(1, "aa", 0, 10000));
	account_db_close(opened("old"));
	ck_assert_int_eq(stat("old", &st), 0);
	ck_assert_int_eq(st.st_mode & 07, 0); /* for nobody else */
	all = opened("old");
	ck_assert_int_eq(account_db_merge(all, "1", err), 0); /* when it was going on */
	account_db_close(all);
	put(a, "sn1", ended(part(1, "aa", 0, 10000), ACCOUNT_DIED));
	put(b, "sn2", ended(part(1, "aa", 10000, 15000), "teardown"));
	put(b, "sn2", ended(part(2, "bb", 11000, 12000), "timeout"));
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		all = opened(":memory:");
		for (const char *c = order[i]; *c; c++) {
			char path[2] = {*c, 0};

			ck_assert_msg(!account_db_merge(all, path, err), "%s", err);
			ck_assert_msg(!account_db_merge(all, "old", err), "%s", err);
		}
		ck_assert_int_eq(sessions(all), 2);
		is(0, "sn1 sn2", 15, 15000000, "teardown");
		is(1, "sn2", 1, 1000000, "timeout");
		account_db_close(all);
	}
	account_db_close(a);
	account_db_close(b);
}
END_TEST

START_TEST(test_a_user_is_told_and_none_is_none)
{
	struct account_db *db = opened(":memory:");
	struct account_part p = part(1, "aa", 0, 1000);

	put(db, "sn1", p);
	sessions(db);
	ck_assert_str_eq(words[0][2], "-");
	snprintf(p.user, sizeof(p.user), "%s", "o'hara; DROP TABLE parts");
	p.seen++;
	put(db, "sn1", p);
	sessions(db);
	ck_assert_str_eq(words[0][2], "o'hara; DROP TABLE parts");
	account_db_close(db);
}
END_TEST

START_TEST(test_old_parts_are_forgotten_unless_they_go_on)
{
	struct account_db *db = opened(":memory:");

	put(db, "sn1", ended(part(1, "aa", 0, 1000), "teardown"));
	put(db, "sn1", part(2, "bb", 0, 1000));
	put(db, "sn1", ended(part(3, "cc", 0, 2000), "teardown"));
	ck_assert_int_eq(account_db_prune(db, T + 2000, err), 0);
	ck_assert_int_eq(sessions(db), 2);
	ck_assert_str_eq(words[0][1], "-");
	account_db_close(db);
}
END_TEST

START_TEST(test_what_is_no_database_of_ours_is_refused_with_a_reason)
{
	FILE *f = fopen("text", "w");
	struct account_db *all = opened("all");

	fprintf(f,
		"This is not a database, but it is long enough to be looked at as if it were.\n");
	fclose(f);
	ck_assert_ptr_null(account_db_open("text", true, err));
	ck_assert_str_eq(err, "file is not a database");
	ck_assert_ptr_null(account_db_open("nowhere", false, err));
	ck_assert_str_eq(err, "unable to open database file");
	ck_assert_ptr_null(account_db_open("no/where", true, err));
	ck_assert_int_lt(account_db_merge(all, "text", err), 0);
	ck_assert_int_lt(account_db_merge(all, "nowhere", err), 0);
	ck_assert_int_ne(access("nowhere", F_OK), 0);
	account_db_close(all);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("account");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_part_grows_and_never_shrinks);
	tcase_add_test(t, test_a_session_that_moved_is_one_record_with_its_nodes_in_order);
	tcase_add_test(t, test_time_at_two_nodes_at_once_counts_once);
	tcase_add_test(t, test_a_node_that_starts_ends_what_it_left_open);
	tcase_add_test(t, test_merging_again_or_in_another_order_changes_nothing);
	tcase_add_test(t, test_a_user_is_told_and_none_is_none);
	tcase_add_test(t, test_old_parts_are_forgotten_unless_they_go_on);
	tcase_add_test(t, test_what_is_no_database_of_ours_is_refused_with_a_reason);
	return run_case("account", t);
}

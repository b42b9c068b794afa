/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the unit tests' main()s have in common. */
#ifndef NEARCAST_TESTS_RUN_H
#define NEARCAST_TESTS_RUN_H

#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SKIPPED 77 /* the exit code of a program that cannot test anything here */

/* Runs the suite and frees it; main's exit code. */
static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The same for a suite of one case. */
static inline int run_case(const char *name, TCase *t)
{
	Suite *s = suite_create(name);

	suite_add_tcase(s, t);
	return run_suite(s);
}

/* A network namespace of this process's own, and TUN: 0, or SKIPPED with the reason told. */
static inline int own_network(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("SKIP: no network namespace of our own");
		return SKIPPED;
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		perror("SKIP: /dev/net/tun");
		return SKIPPED;
	}
	return 0;
}

#endif

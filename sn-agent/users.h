/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the users are (row E4). Whatever knows them is asked through one small interface, and
 * tells no password, only what proves one (HA1 of lib/digest.h). Here is the list that is a file:
 *
 *	alice:nearcast:d41d8cd98f00b204e9800998ecf8427e            MD5, as htdigest(1) writes it
 *	alice:nearcast:e3b0c44298fc1c149afbf4c8996fb924…           SHA-256, 64 digits
 *
 * A user may have a line for each algorithm. Lines that begin with '#', and empty ones, are nothing.
 */
#ifndef NEARCAST_SN_USERS_H
#define NEARCAST_SN_USERS_H

#include <stdbool.h>

#include "lib/digest.h"

#define USERS_NAME           64 /* bytes of a user's name, the NUL included */
#define USERS_BIT(algorithm) (1u << (algorithm))

struct users_source {
	/* The user's HA1 in the realm, in lower case. False: there is no such user. */
	bool (*find)(const void *list, struct slice user, struct slice realm,
		enum digest_algorithm a, char ha1[DIGEST_HEX]);
	/* With which algorithms there are users: USERS_BIT(…). */
	unsigned (*algorithms)(const void *list);
};

extern const struct users_source users_file;

struct users_list;
/* Parses a file's text. NULL with line and reason in err. */
struct users_list *users_parse(struct slice text, char err[160]);
/* Reads it; err names the file. It also warns there (and succeeds) if others may read the file. */
struct users_list *users_load(const char *path, char err[256]);
void users_free(struct users_list *l);
int users_count(const struct users_list *l); /* lines */

/* "alice, bob" has this one. */
bool users_named(const char *names, const char *user);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The node's list of users (users.h) and its file: read at the start, at reload, and whenever
 * the file has become another one. So any program can be the source of users: it writes a file, and
 * renames it over the old one. A list that cannot be read leaves the one before in place.
 */
#ifndef NEARCAST_SN_USERLIST_H
#define NEARCAST_SN_USERLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"
#include "sn-agent/users.h"

struct userlist {
	struct users_list *list; /* NULL: there is no file: nobody has to be a user */
	struct {
		uint64_t inode;
		int64_t size, changed; /* ns since 1970 */
	} seen;
	ns_t look_at;
};

/* Reads it ("": there is none). 0; or -EINVAL with the reason in why, and nothing has changed. */
int userlist_load(struct userlist *u, const char *path, char why[256]);
/* Looks at the file once a second. True: there is another list now. */
bool userlist_tick(struct userlist *u, const char *path, ns_t now);
void userlist_free(struct userlist *u);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/userlist.h"

#include <errno.h>
#include <sys/stat.h>

#include "lib/log.h"

#define LOOK NS_S

/* Whether the file is another one than was seen last. One that is not there is not: it is being
 * replaced. */
static bool has_changed(struct userlist *u, const char *path)
{
	struct stat st;
	int64_t changed;
	bool same;

	if (stat(path, &st))
		return false;
	changed = st.st_mtim.tv_sec * NS_S + st.st_mtim.tv_nsec;
	same = u->seen.inode == st.st_ino && u->seen.size == st.st_size &&
	       u->seen.changed == changed;
	u->seen.inode = st.st_ino;
	u->seen.size = st.st_size;
	u->seen.changed = changed;
	return !same;
}

int userlist_load(struct userlist *u, const char *path, char why[256])
{
	struct users_list *fresh = NULL;

	why[0] = '\0';
	if (*path) {
		has_changed(u, path); /* before it is read: a change meanwhile is seen later */
		fresh = users_load(path, why);
		if (!fresh)
			return -EINVAL;
		if (*why)
			log_msg(NLOG_CONF, "%s", why);
	}
	users_free(u->list);
	u->list = fresh;
	return 0;
}

bool userlist_tick(struct userlist *u, const char *path, ns_t now)
{
	char why[256];

	if (!u->list || now < u->look_at)
		return false;
	u->look_at = now + LOOK;
	if (!has_changed(u, path))
		return false;
	if (userlist_load(u, path, why)) {
		log_msg(NLOG_CONF, "users stay as they were: %s", why);
		return false;
	}
	log_msg(NLOG_INFO, "users: %d lines read from %s", users_count(u->list), path);
	return true;
}

void userlist_free(struct userlist *u)
{
	users_free(u->list);
	u->list = NULL;
}

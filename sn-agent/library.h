/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Libraries: which RTSP paths are films of which master site. A path below a library's stands for the
 * URL of the same rest below the library's origin. Pure.
 */
#ifndef NEARCAST_SN_LIBRARY_H
#define NEARCAST_SN_LIBRARY_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/slice.h"

#define LIBRARY_PATH   128
#define LIBRARY_ORIGIN 384
#define LIBRARY_MAX    64

struct library {
	char path[LIBRARY_PATH];     /* "/films" */
	char origin[LIBRARY_ORIGIN]; /* "http://media.acme.com/films" */
	struct addr addr;            /* of the origin's host, with the port */
};

/* 0; or what an origin has to be. */
const char *library_check_origin(const char *origin);

/* The library of a path, the one with the longest path of its own; NULL: none. A path that leads
 * out of its library ("..") is in none. */
const struct library *library_find(const struct library *l, int n, struct slice path);
/* The URL of a path of that library. 0 or -ENOSPC. */
int library_url(const struct library *l, struct slice path, char *out, size_t cap);

#endif

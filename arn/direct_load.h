/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the objects of direct answers (direct.h) from a directory:
 *
 *	DIR/default/robots.txt          /robots.txt, at every address of the block
 *	DIR/10.1.18.27/live/index.html  /live/, at this address only
 *
 * Only regular files count. Names with a dot in front are passed over in silence; whatever else
 * cannot be served (a symbolic link, a file over DIRECT_MAX_OBJECT, one past the bounds, a folder
 * that is no address of the block) is left out and named in the log. DIR itself may be a link: to
 * point it elsewhere replaces everything at once.
 *
 * All folders are walked in the order of their names, so that ARNs with the same files leave out the
 * same ones. Walking follows no link and goes from descriptor to descriptor, so that it cannot be
 * led out, even by who moves folders meanwhile.
 */
#ifndef ARN_DIRECT_LOAD_H
#define ARN_DIRECT_LOAD_H

#include <stdint.h>

#include "arn/direct.h"
#include "lib/addr.h"

#define DIRECT_MAX_DEPTH   16
#define DIRECT_MAX_ENTRIES 65536 /* that a walk looks at, of any kind */

struct direct_conf {
	char directory[256]; /* "": none */
	uint32_t max_age;    /* s */
	int max_objects;
	size_t max_bytes; /* of memory */
	struct prefix block;
};

/* What a directory looks like, without a read of any file: names, sizes, times. 0, or negative errno
 * and *why. */
int direct_look(const struct direct_conf *c, uint64_t *fingerprint, char why[128]);
/* Its objects, sealed; *left_out: how many files and folders are not among them, which the log
 * tells. The fingerprint is that of what was read. NULL: *why says why. */
struct direct *direct_load(
	const struct direct_conf *c, uint64_t *fingerprint, int *left_out, char why[128]);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker's configuration: what it makes of each module, at the start and at a reload. A part of the
 * worker (arn.h), like command.c and meter.c.
 */
#ifndef ARN_RELOAD_H
#define ARN_RELOAD_H

#include "arn/arn.h"

/* What a module is to be told. */
struct direct_conf arn_direct_conf(const struct arn_conf *c);
struct directory_conf arn_directory_conf(const struct arn *a); /* with keys: to be wiped */
struct prober_conf arn_prober_conf(const struct arn_conf *c);
struct arn_listener_conf arn_listener_conf_of(const struct arn_conf *c);
void arn_configure_nodes(struct arn *a);
void arn_configure_regions(struct arn *a);

/* The keys that the configuration names: for the group, and for tokens; none where none are needed.
 * Both or nothing: negative errno, and `why` says what is wrong. With 0, it is "" or a warning. */
int arn_load_keys(
	const struct arn_conf *c, struct wire_keys *group, struct wire_keys *tokens, char why[256]);

/* A worker that replaces another starts with the file as it is now, as far as what the guardian
 * holds to allows; if the file is not right, with what the guardian has. */
void arn_load_own(struct arn *a, const struct arn_conf *inherited);
void arn_log_errors(const struct conf_errors *e);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the media go: a file or a pipe, as MPEG-TS (the payload of MP2T packets) or as a
 * recording in the format of the rtptools ("rtpdump"), all media in one file.
 *
 * A slow reader of a pipe must not stop us from receiving, so what it does not take yet waits in
 * memory, up to a bound.
 */
#ifndef NEARCAST_CLIENT_OUTPUT_H
#define NEARCAST_CLIENT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"

#define OUTPUT_BACKLOG (64u << 20) /* bytes that may wait for a reader */

struct output;

/* path "-": standard output. NULL with a message for the user in err. */
struct output *output_open(const char *path, char err[256]);
/* Writes what is left, waiting for the reader at most `patience`. 0 or negative errno. */
int output_close(struct output *o, ns_t patience);

/* Appends. Errors show in output_flush. */
void output_put(struct output *o, const void *p, size_t n);
/* The payload of an RTP packet with MPEG-TS. */
void output_put_ts(struct output *o, const uint8_t *rtp, size_t n);
/* The recording's head; `source` is where the first node sends from. */
void output_put_rtpdump_head(struct output *o, const struct addr *source, ns_t wall);
/* One packet, `offset` after the recording's begin. */
void output_put_rtpdump(struct output *o, const uint8_t *rtp, size_t n, ns_t offset);

/* Hands on what can be without waiting. 0: all; 1: some is left, again in a few ms; negative
 * errno: it failed (told once, then for ever); -ENOBUFS: the reader is too slow. */
int output_flush(struct output *o);
const char *output_path(const struct output *o);

#endif

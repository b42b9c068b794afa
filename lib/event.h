/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: JSON lines {"t": monotonic seconds, "wall": …, "event": "…", …} to a file descriptor.
 */
#ifndef NEARCAST_EVENT_H
#define NEARCAST_EVENT_H

#include "lib/clock.h"
#include "lib/json.h"

/* Where events go: a descriptor (not owned), -1: nowhere. */
void event_open(int fd);
/* Where events go: a file, made if need be (mode 0640) and appended to; "": nowhere. 0 or negative
 * errno (-ENXIO: a pipe that nobody reads). */
int event_open_file(const char *path);
/* Closes what event_open_file opened; events go nowhere from now on. */
void event_close(void);
bool event_wanted(void);
/* Adds t, wall and event to `fields` (taken over; NULL: none) and writes the line. */
void event_emit(const char *event, ns_t now, struct js *fields);

#endif

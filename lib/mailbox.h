/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded queue of messages from any thread to the thread of one loop. A message is a plain
 * struct of a fixed size, copied in and copied out: no memory changes hands.
 *
 *	struct mailbox *m = mailbox_new(loop, sizeof(struct report), 1024, on_report, me);
 *	…
 *	mailbox_post(m, &report);               in any thread
 *	static void on_report(void *arg, const void *message)  in the loop's, in the order of posting
 */
#ifndef NEARCAST_MAILBOX_H
#define NEARCAST_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/loop.h"

typedef void mailbox_cb(void *arg, const void *message);

struct mailbox;
/* Room for so many messages of `size` bytes that were not read yet. NULL without memory. */
struct mailbox *mailbox_new(struct loop *l, size_t size, int room, mailbox_cb *cb, void *arg);
/* False: it is full, and the message is lost. Never waits. */
bool mailbox_post(struct mailbox *m, const void *message);
uint64_t mailbox_lost(const struct mailbox *m); /* messages so far */
/* From the loop's thread (not from cb), when nobody posts any more; what is unread is lost. */
void mailbox_free(struct mailbox *m);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a listener thread tells the control thread, over a mailbox (lib/mailbox.h): plain data.
 */
#ifndef ARN_REPORT_H
#define ARN_REPORT_H

#include "arn/want.h"
#include "lib/addr.h"
#include "lib/text.h"

enum report_kind {
	REPORT_WANT,   /* an answer lacks something */
	REPORT_ACCUSE, /* a client says that a node failed it */
};

struct report {
	enum report_kind kind;
	union {
		struct want want;
		struct {
			char node[ANNOUNCE_ID_LEN];
			enum text_proto service;
			struct addr client;
		} accuse;
	};
};

#endif

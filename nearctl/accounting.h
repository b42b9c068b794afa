/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nearctl accounting: the accounts of any number of nodes as one record a session (lib/account.h). */
#ifndef NEARCAST_ACCOUNTING_H
#define NEARCAST_ACCOUNTING_H

#include "lib/account.h"
#include "lib/json.h"

/*
 * Puts the databases together, in `into` (NULL: in memory only), and reads the sessions. An object
 * with the array "sessions"; or NULL with what is wrong in err, which names the file.
 */
struct js *accounting_sessions(const char *into, char **database, int n, char err[512]);

#endif

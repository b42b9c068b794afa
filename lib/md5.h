/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MD5 (RFC 1321), for Digest authentication, where players speak nothing else. It is broken for
 * signatures; nothing of our own is made with it.
 */
#ifndef NEARCAST_MD5_H
#define NEARCAST_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_LEN 16

void md5(const void *p, size_t n, uint8_t out[MD5_LEN]);

#endif

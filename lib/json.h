/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values, on jansson (json.c alone includes it). Builders never fail to the caller: without
 * memory they abort, as nothing sensible is left to do. A value put into another belongs to it.
 */
#ifndef NEARCAST_JSON_H
#define NEARCAST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/slice.h"

struct js; /* a value */

struct js *js_object(void);
struct js *js_array(void);
void js_free(struct js *v);

void js_put_str(struct js *o, const char *key, const char *v); /* NULL: null; bad UTF-8 escaped */
void js_put_slice(struct js *o, const char *key, struct slice v);
void js_put_int(struct js *o, const char *key, int64_t v);
void js_put_real(struct js *o, const char *key, double v);
void js_put_bool(struct js *o, const char *key, bool v);
void js_put(struct js *o, const char *key, struct js *v);
/* Moves the members of `from` (NULL: none) behind those of `o`; `from` is gone. */
void js_merge(struct js *o, struct js *from);
void js_push(struct js *array, struct js *v);
void js_push_str(struct js *array, const char *v);

char *js_dump(const struct js *v); /* one line, keys in the order put; free() it */
/* Reading, for nearctl and tests. NULL with a message in err[160]. */
struct js *js_parse(struct slice text, char err[160]);
const struct js *js_get(const struct js *o, const char *key);
const char *js_str(const struct js *v); /* NULL when it is no string */
int64_t js_int(const struct js *v);     /* 0 when it is no number */
double js_real(const struct js *v);
bool js_bool(const struct js *v); /* false when it is no boolean */
bool js_is_array(const struct js *v);
bool js_is_int(const struct js *v); /* a number without a fraction */
bool js_is_bool(const struct js *v);
bool js_is_object(const struct js *v);
size_t js_len(const struct js *array);
const struct js *js_at(const struct js *array, size_t i);
/* Walks an object: *it starts NULL; the key, or NULL at the end. */
const char *js_each(const struct js *o, void **it, const struct js **v);
/* A scalar as a person reads it, into buf. */
const char *js_text(const struct js *v, char *buf, size_t cap);

#endif

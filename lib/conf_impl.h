/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of conf share; nobody else's business. */
#ifndef NEARCAST_CONF_IMPL_H
#define NEARCAST_CONF_IMPL_H

#include "lib/conf.h"

#define CONF_WHY 512

/*
 * One value (conf_value.c). Parses `text` as the option's type into *out, the option's own place,
 * and asks its check. NULL, or what was expected instead (in `why`, or static).
 */
const char *conf_value_parse(
	const struct conf_option *o, const char *text, void *out, char why[CONF_WHY]);

/* Whether the option takes its value as text (not a section). */
bool conf_is_value(const struct conf_option *o);

/* "expected …" for an option whose value is missing. */
const char *conf_value_expected(const struct conf_option *o, char why[CONF_WHY]);

/*
 * The file's text (conf_text.c): p is NUL-terminated at p[n]. Everything is blanked in place, so
 * that line numbers stay what they are.
 */
typedef void conf_text_cb(void *ctx, int line, const char *what);

/* Blanks comments, and lines with what no value may contain: control characters, a string that is
 * not closed on its line. Each of these is told. */
void conf_text_clean(char *p, size_t n, conf_text_cb *cb, void *ctx);

/* Blanks a line that is wrong. False when that would not help: it is blank already, or it opens or
 * closes a section, so that what follows would be misread; stray_close: its closing braces are what
 * is wrong. */
bool conf_text_blank(char *p, int line, bool stray_close);

/* Blanks the whole assignment or section that begins with `name` in that line. False: there is
 * none. */
bool conf_text_cut(char *p, int line, const char *name);

/* Behind the last character of a section's title in that line, or NULL. */
char *conf_text_title(char *p, int line, const char *title);

/* The line of the innermost brace that is never closed, 0: there is none. */
int conf_text_unclosed(const char *p);

/* The line where the section begins whose brace is the last one closed in line `close`; 0: none. */
int conf_text_opened(const char *p, int close);

/* The last line, from `line` backwards, that has `word` in it; 0: none. */
int conf_text_find(const char *p, int line, const char *word);
bool conf_text_line_has(const char *p, int line, const char *word);
int conf_text_lines(const char *p);

/* The option that a mistyped name was most likely meant to be, or NULL. */
const char *conf_text_nearest(const struct conf_option *options, const char *name);

#endif

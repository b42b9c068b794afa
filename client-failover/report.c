/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-failover/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/event.h"
#include "lib/log.h"

static double ms(ns_t t)
{
	return round((double)t / 1e4) / 100; /* to 10 µs */
}

static void put_ms(struct js *o, const char *key, ns_t t)
{
	js_put_real(o, key, ms(t));
}

/* Words for a person: with --json the events say it all. */
static void __attribute__((format(printf, 2, 3))) say(const struct report *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (event_wanted())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (r->name)
		log_msg(NLOG_INFO, "%s: %s", r->name, text);
	else
		log_msg(NLOG_INFO, "%s", text);
}

/* The event is told, with whom it is about when there are several. */
static void emit(const struct report *r, const char *event, ns_t now, struct js *o)
{
	if (r->name)
		js_put_str(o, "session", r->name);
	event_emit(event, now, o);
}

void report_init(struct report *r, const char *name)
{
	*r = (struct report){.name = name, .failovers = js_array()};
}

void report_free(struct report *r)
{
	js_free(r->failovers);
	r->failovers = NULL;
}

void report_start(const struct report *r, const char *url, ns_t now)
{
	struct js *o = js_object();

	js_put_str(o, "url", url);
	emit(r, "start", now, o);
}

void report_transaction(
	const struct report *r, const char *server, ns_t took, struct slice location, ns_t now)
{
	struct js *o = js_object();

	say(r, "%s sends us to " SLICE_FMT " (%.1f ms)", server, SLICE_ARG(location), ms(took));
	js_put_str(o, "server", server);
	put_ms(o, "ms", took);
	js_put_slice(o, "location", location);
	emit(r, "transaction", now, o);
}

void report_error(const struct report *r, const char *who, int status, const char *why, ns_t now)
{
	struct js *o = js_object();

	if (status)
		log_msg(NLOG_REMOTE, "%s: refused with %d %s", who, status, why);
	else
		log_msg(NLOG_REMOTE, "%s: %s", who, why);
	js_put_str(o, "server", who);
	js_put_int(o, "status", status);
	js_put_str(o, "why", why);
	emit(r, "error", now, o);
}

static void node_event(
	const struct report *r, const char *event, const char *node, ns_t took, ns_t now)
{
	struct js *o = js_object();

	js_put_str(o, "node", node);
	put_ms(o, "ms", took);
	emit(r, event, now, o);
}

void report_attached(const struct report *r, const char *node, ns_t took, ns_t now)
{
	node_event(r, "attached", node, took, now);
}

void report_delivery(const struct report *r, const char *node, const char *by, const char *group,
	const char *why, ns_t now)
{
	struct js *o = js_object();

	say(r, "%s gives the media by %s%s%s: %s", node, by, group ? ", group " : "",
		group ? group : "", why);
	js_put_str(o, "node", node);
	js_put_str(o, "by", by);
	if (group)
		js_put_str(o, "group", group);
	js_put_str(o, "why", why);
	emit(r, "delivery", now, o);
}

void report_playing(const struct report *r, const char *node, ns_t took, ns_t now)
{
	say(r, "playing from %s (%.1f ms)", node, ms(took));
	node_event(r, "playing", node, took, now);
}

void report_suspect(const struct report *r, const struct failover_action *a, ns_t now)
{
	struct js *o = js_object();

	say(r, "%s is suspected: %s, silent for %.1f ms", a->node, failover_reason_str(a->reason),
		ms(a->silence));
	js_put_str(o, "node", a->node);
	js_put_str(o, "reason", failover_reason_str(a->reason));
	put_ms(o, "silence_ms", a->silence);
	emit(r, "suspect", now, o);
}

void report_failover(const struct report *r, const struct failover_action *a, ns_t now)
{
	struct js *o = js_object();

	js_put_str(o, "from", a->from);
	js_put_str(o, "to", a->node);
	emit(r, "failover", now, o);
}

static struct js *resumed(const struct failover_action *a, const char *key, int64_t value)
{
	struct js *o = js_object();

	js_put_str(o, "from", a->from);
	js_put_str(o, "to", a->node);
	js_put_str(o, "reason", failover_reason_str(a->reason));
	put_ms(o, "detection_ms", a->times.detection);
	put_ms(o, "transaction_ms", a->times.transaction);
	put_ms(o, "attach_ms", a->times.attach);
	put_ms(o, "interruption_ms", a->times.interruption);
	js_put_int(o, key, value);
	return o;
}

static void put_resumed(
	struct report *r, const struct failover_action *a, const char *key, int64_t value, ns_t now)
{
	struct js *o = resumed(a, key, value);

	say(r, "%s took over from %s after %.1f ms", a->node, a->from, ms(a->times.interruption));
	js_put_real(o, "t", (double)now / NS_S);
	js_push(r->failovers, o);
	r->failover_count++;
	emit(r, "resumed", now, resumed(a, key, value));
}

void report_resumed(struct report *r, const struct failover_action *a, int64_t missing, ns_t now)
{
	put_resumed(r, a, "missing", missing, now);
}

void report_false_alarm(struct report *r, const struct failover_action *a, ns_t now)
{
	say(r, "false alarm: %s was only slow (%.1f ms)", a->node, ms(a->silence));
	r->false_alarms++;
	node_event(r, "false_alarm", a->node, a->silence, now);
}

void report_stalled(const struct report *r, ns_t now)
{
	struct js *o = js_object();

	say(r, "stalled: the buffer is empty");
	put_ms(o, "ms", 0);
	emit(r, "stalled", now, o);
}

void report_unstalled(const struct report *r, ns_t stood, ns_t now)
{
	struct js *o = js_object();

	say(r, "it goes on after %.1f ms", ms(stood));
	put_ms(o, "ms", stood);
	emit(r, "unstalled", now, o);
}

void report_gap(const struct report *r, int media, int64_t first, int64_t count, ns_t now)
{
	struct js *o = js_object();

	say(r, "%lld packets of medium %d from %lld on are lost", (long long)count, media,
		(long long)(first & 0xffff));
	js_put_int(o, "media", media);
	js_put_int(o, "first", first & 0xffff);
	js_put_int(o, "count", count);
	emit(r, "gap", now, o);
}

void report_restarted(const struct report *r, int media, ns_t now)
{
	struct js *o = js_object();

	say(r, "the source of medium %d has begun anew", media);
	js_put_int(o, "media", media);
	emit(r, "restarted", now, o);
}

static void put_stats(struct js *o, const struct playout_stats *s)
{
	js_put_int(o, "received", (int64_t)s->received);
	js_put_int(o, "duplicates", (int64_t)s->duplicates);
	js_put_int(o, "nacked", (int64_t)s->nacked);
	js_put_int(o, "recovered", (int64_t)s->recovered);
}

void report_level(const struct report *r, const char *node, ns_t level,
	const struct playout_stats *s, ns_t now)
{
	struct js *o = js_object();

	put_ms(o, "buffer_ms", level);
	put_stats(o, s);
	js_put_int(o, "missing", s->missing);
	js_put_str(o, "node", node);
	emit(r, "level", now, o);
}

void report_ended(
	struct report *r, const char *reason, const struct playout_stats *s, ns_t lowest, ns_t now)
{
	struct js *o = js_object();

	say(r, "ended: %s; %llu packets written, %llu lost, %d failovers, lowest buffer %.0f ms",
		reason, (unsigned long long)s->written, (unsigned long long)s->lost,
		r->failover_count, ms(lowest));
	js_put_str(o, "reason", reason);
	put_stats(o, s);
	js_put_int(o, "written", (int64_t)s->written);
	js_put_int(o, "lost", (int64_t)s->lost);
	js_put_int(o, "failover_count", r->failover_count);
	js_put_int(o, "false_alarms", r->false_alarms);
	put_ms(o, "min_buffer_ms", lowest);
	js_put(o, "failovers", r->failovers);
	r->failovers = NULL;
	emit(r, "ended", now, o);
}

/* ---- of a fetch ---- */

void report_resumed_at(struct report *r, const struct failover_action *a, int64_t offset, ns_t now)
{
	put_resumed(r, a, "offset", offset, now);
}

static void put_length(struct js *o, const char *key, int64_t n)
{
	if (n < 0)
		js_put_str(o, key, NULL);
	else
		js_put_int(o, key, n);
}

void report_object(
	const struct report *r, const char *node, const struct object *obj, ns_t took, ns_t now)
{
	const char *unfixed = object_fixed(obj);
	struct js *o = js_object();

	say(r, "%s answers %d, %lld bytes (%.1f ms)%s%s", node, obj->status, (long long)obj->length,
		ms(took), unfixed ? "; if it breaks off, that is the end: " : "",
		unfixed ? unfixed : "");
	js_put_str(o, "node", node);
	put_ms(o, "ms", took);
	js_put_int(o, "status", obj->status);
	put_length(o, "length", obj->length);
	js_put_int(o, "first", obj->base);
	js_put_str(o, "etag", *obj->etag ? obj->etag : NULL);
	js_put_str(o, "last_modified", *obj->modified ? obj->modified : NULL);
	js_put_bool(o, "resumable", !unfixed);
	emit(r, "object", now, o);
}

void report_progress(const struct report *r, const char *node, int64_t bytes, ns_t now)
{
	struct js *o = js_object();

	js_put_int(o, "bytes", bytes);
	js_put_str(o, "node", node);
	emit(r, "progress", now, o);
}

void report_fetched(struct report *r, const char *reason, const char *why, const struct object *obj,
	int64_t bytes, ns_t now)
{
	struct js *o = js_object();

	say(r, "ended: %s%s%s; %lld bytes, %d failovers", reason, *why ? ": " : "", why,
		(long long)bytes, r->failover_count);
	js_put_str(o, "reason", reason);
	js_put_str(o, "why", why);
	js_put_int(o, "status", obj ? obj->status : 0);
	js_put_int(o, "bytes", bytes);
	put_length(o, "length", obj ? obj->length : -1);
	js_put_int(o, "failover_count", r->failover_count);
	js_put_int(o, "false_alarms", r->false_alarms);
	js_put(o, "failovers", r->failovers);
	r->failovers = NULL;
	emit(r, "ended", now, o);
}

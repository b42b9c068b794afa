/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `nearctl show far` and `nearctl show area`: the wide area, for an operator. */
#include "arn/arn.h"

static const char *use_of(const struct far_view *v)
{
	if (v->local)
		return "ours";
	if (v->twin)
		return "twin";
	return v->eligible ? "eligible" : v->watched ? "watched" : "known";
}

static struct js *describe(const struct far_view *v, ns_t now)
{
	struct js *o = js_object();
	char text[ADDR_STRLEN];

	js_put_str(o, "node", v->said ? v->said->id : NULL);
	js_put_str(o, "control", addr_str(&v->control, text));
	js_put_str(o, "state", far_state_str(v->state));
	js_put_str(o, "use", use_of(v));
	js_put_int(o, "distance", v->distance);
	if (v->rtt_us)
		js_put_real(o, "rtt_ms", v->rtt_us / 1000.0);
	js_put_real(o, "pause_s", (double)v->pause / NS_S);
	js_put_int(o, "asked", (int64_t)v->asked);
	js_put_int(o, "answered", (int64_t)v->answered);
	if (v->heard_at != NS_NEVER)
		js_put_real(o, "heard_s_ago", (double)(now - v->heard_at) / NS_S);
	if (!v->said)
		return o;
	js_put_str(o, "address", addr_host(&v->said->addr, text));
	js_put_str(o, "place", v->said->place);
	js_put_bool(o, "healthy", v->said->healthy);
	js_put_bool(o, "draining", v->said->draining);
	js_put_int(o, "sessions", v->said->sessions);
	js_put_int(o, "max_sessions", v->said->max_sessions);
	js_put_int(o, "kbps", (int64_t)v->said->kbps);
	js_put_int(o, "max_kbps", (int64_t)v->said->max_kbps);
	return o;
}

enum ctl_code arn_show_far(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;
	struct far *far = a->overflow ? wide_far(overflow_wide(a->overflow)) : NULL;
	struct js *list = js_array();
	struct far_view v;

	(void)args;
	for (int i = 0; far && far_view(far, i, &v); i++)
		js_push(list, describe(&v, loop_now(a->loop)));
	js_put_str(body, "method", arn_conf_method(&a->conf));
	js_put(body, "far", list);
	return CTL_OK;
}

enum ctl_code arn_show_area(void *ctx, struct slice args, struct js *body)
{
	struct arn *a = ctx;
	struct wide *w = a->overflow ? overflow_wide(a->overflow) : NULL;

	(void)args;
	js_put_str(body, "method", arn_conf_method(&a->conf));
	js_put_str(body, "place", a->conf.place);
	if (!w)
		return CTL_OK;
	js_put_bool(body, "varies", wide_varies(w));
	js_put_int(body, "scope", wide_varies(w) ? wide_area(w)->scope : far_count(wide_far(w)));
	js_put_int(body, "known", far_count(wide_far(w)));
	js_put_int(body, "eligible", far_eligible(wide_far(w)));
	js_put_real(body, "use_home", wide_area(w)->local);
	js_put_real(body, "use_all", wide_area(w)->all);
	js_put_int(body, "grown", (int64_t)wide_area(w)->grown);
	js_put_int(body, "shrunk", (int64_t)wide_area(w)->shrunk);
	return CTL_OK;
}

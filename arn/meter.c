/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ARN's metrics: one table, made when its context is there for the values to point into. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "arn/arn.h"
#include "arn/redirect.h"

#define P "nearcast_arn_"
#define COUNTER(NAME, HELP, LABELS, VALUE)                                                         \
	(struct metric)                                                                            \
	{                                                                                          \
		.name = P NAME, .help = HELP, .kind = METRIC_COUNTER, .labels = LABELS,            \
		.value = VALUE                                                                     \
	}
#define GAUGE(NAME, HELP, READ, ARG)                                                               \
	(struct metric)                                                                            \
	{                                                                                          \
		.name = P NAME, .help = HELP, .kind = METRIC_GAUGE, .read = READ, .arg = ARG       \
	}

static uint64_t block_is_up(void *arg)
{
	const struct arn *a = arg;

	return a->word.block == FATE_UP;
}

static uint64_t blocks_raised(void *arg)
{
	return ((const struct arn *)arg)->word.raised;
}

static uint64_t next_hop_is_claimed(void *arg)
{
	return ((const struct arn *)arg)->word.claims;
}

static uint64_t next_hop_contests(void *arg)
{
	return ((const struct arn *)arg)->word.contested;
}

static uint64_t workers_started(void *arg)
{
	return ((const struct arn *)arg)->word.spawned;
}

static uint64_t is_master(void *arg)
{
	return arn_is_master(arg);
}

static uint64_t peers(void *arg)
{
	return (uint64_t)cluster_election(((const struct arn *)arg)->cluster)->n;
}

static uint64_t peers_connected(void *arg)
{
	return (uint64_t)peers_count(cluster_peers(((const struct arn *)arg)->cluster));
}

static uint64_t is_draining(void *arg)
{
	return ((const struct arn *)arg)->draining;
}

static uint64_t connections(void *arg)
{
	return (uint64_t)crew_connections(((const struct arn *)arg)->crew);
}

static uint64_t threads(void *arg)
{
	return (uint64_t)crew_threads(((const struct arn *)arg)->crew);
}

static uint64_t reports_lost(void *arg)
{
	return crew_reports_lost(((const struct arn *)arg)->crew);
}

/* One counter of every thread's, for metrics that are sums. */
struct meter_crew {
	const struct crew *crew;
	size_t offset; /* in struct arn_listener_counters */
};

static uint64_t sum(void *arg)
{
	const struct meter_crew *c = arg;

	return crew_count(c->crew, c->offset);
}

static uint64_t nodes_known(void *arg)
{
	return (uint64_t)directory_count(((const struct arn *)arg)->directory);
}

static uint64_t direct_held(void *arg)
{
	return (uint64_t)direct_objects(arn_direct(arg));
}

static uint64_t reserved(void *arg)
{
	return directory_reserved(((const struct arn *)arg)->directory);
}

static uint64_t reservations_expired(void *arg)
{
	return directory_expired(((const struct arn *)arg)->directory);
}

static uint64_t nodes_usable(void *arg)
{
	return (uint64_t)directory_usable(((const struct arn *)arg)->directory);
}

#define AT(FIELD) offsetof(struct arn_listener_counters, FIELD)

static const char connected[] = "Connections accepted.";
static const char requests[] =
	"Requests answered: 302 or 307, 503, other refusals, own content, else.";
static const char silence[] = "Connections closed for their silence.";
static const char tokens[] = "Tokens issued.";

/* What the listeners of all threads count. */
static const struct {
	const char *name, *help, *labels;
	size_t offset;
} listened[] = {
	{P "connections_total", connected, "proto=\"http\"", AT(accepted[TEXT_HTTP])},
	{P "connections_total", connected, "proto=\"rtsp\"", AT(accepted[TEXT_RTSP])},
	{P "requests_total", requests, "proto=\"http\",answer=\"redirected\"",
		AT(redirected[TEXT_HTTP])},
	{P "requests_total", requests, "proto=\"http\",answer=\"unavailable\"",
		AT(unavailable[TEXT_HTTP])},
	{P "requests_total", requests, "proto=\"http\",answer=\"refused\"", AT(refused[TEXT_HTTP])},
	{P "requests_total", requests, "proto=\"http\",answer=\"direct\"", AT(direct)},
	{P "requests_total", requests, "proto=\"http\",answer=\"other\"", AT(other[TEXT_HTTP])},
	{P "requests_total", requests, "proto=\"rtsp\",answer=\"redirected\"",
		AT(redirected[TEXT_RTSP])},
	{P "requests_total", requests, "proto=\"rtsp\",answer=\"unavailable\"",
		AT(unavailable[TEXT_RTSP])},
	{P "requests_total", requests, "proto=\"rtsp\",answer=\"refused\"", AT(refused[TEXT_RTSP])},
	{P "requests_total", requests, "proto=\"rtsp\",answer=\"other\"", AT(other[TEXT_RTSP])},
	{P "direct_bytes_total", "Bytes of content in direct answers.", NULL, AT(direct_bytes)},
	{P "tokens_total", tokens, "session=\"new\"", AT(tokens[REDIRECT_TOKEN_NEW])},
	{P "tokens_total", tokens, "session=\"resumed\"", AT(tokens[REDIRECT_TOKEN_RESUMED])},
	{P "loops_total", "Requests refused: their clients were sent in circles.", NULL, AT(loops)},
	{P "outside_block_total", "Connections refused because their address is not in the block.",
		NULL, AT(outside_block)},
	{P "evicted_total", "Connections closed to make room for new ones.", NULL, AT(evicted)},
	{P "timeouts_total", silence, "waiting_for=\"request\"", AT(request_timeouts)},
	{P "timeouts_total", silence, "waiting_for=\"next\"", AT(idle_timeouts)},
	{P "prepared_total", "Requests that waited for what their answer needs.", NULL,
		AT(prepared)},
	{P "unprepared_total", "Of these answered without it.", NULL, AT(unprepared)},
	{P "broken_total", "Connections that ended with an error.", NULL, AT(broken)},
};
enum { LISTENED = sizeof(listened) / sizeof(listened[0]) };

static struct metric *add_listeners(struct metric *m, struct arn *a)
{
	for (int i = 0; i < LISTENED; i++) {
		a->meter_crew[i] = (struct meter_crew){a->crew, listened[i].offset};
		*m++ = (struct metric){.name = listened[i].name,
			.help = listened[i].help,
			.kind = METRIC_COUNTER,
			.labels = listened[i].labels,
			.read = sum,
			.arg = &a->meter_crew[i]};
	}
	return m;
}

static struct metric *add_discovery(struct metric *m, const struct discovery_counters *c)
{
	static const struct {
		enum wire_error error;
		const char *label;
	} seal[] = {
		{WIRE_MALFORMED, "reason=\"malformed\""},
		{WIRE_VERSION, "reason=\"version\""},
		{WIRE_UNKNOWN_KEY, "reason=\"unknown_key\""},
		{WIRE_FORGED, "reason=\"forged\""},
		{WIRE_STALE, "reason=\"stale\""},
		{WIRE_REPLAYED, "reason=\"replayed\""},
		{WIRE_TABLE_FULL, "reason=\"senders_full\""},
	};
	static const char help[] = "Datagrams on the group that were not believed, by reason.";

	*m++ = COUNTER("datagrams_total", "Datagrams received on the group.", NULL, &c->received);
	*m++ = COUNTER("announcements_total", "Announcements accepted.", NULL, &c->announcements);
	*m++ = COUNTER("goodbyes_total", "Goodbyes accepted.", NULL, &c->goodbyes);
	*m++ = COUNTER("datagrams_lost_total",
		"Datagrams that came faster than they could be read.", NULL, &c->lost);
	*m++ = COUNTER("ignored_total", "Datagrams of no interest: own, of other blocks.", NULL,
		&c->ignored);
	for (size_t i = 0; i < sizeof(seal) / sizeof(seal[0]); i++)
		*m++ = COUNTER(
			"datagrams_refused_total", help, seal[i].label, &c->refused[seal[i].error]);
	*m++ = COUNTER("datagrams_refused_total", help, "reason=\"payload\"", &c->bad_payload);
	*m++ = COUNTER("datagrams_refused_total", help, "reason=\"misnamed\"", &c->misnamed);
	*m++ = COUNTER("datagrams_refused_total", help, "reason=\"address\"", &c->bad_address);
	*m++ = COUNTER("datagrams_refused_total", help, "reason=\"nodes_full\"", &c->table_full);
	return m;
}

static struct metric *add_cluster(struct metric *m, struct arn *a)
{
	const struct cluster_counters *c = cluster_counters(a->cluster);
	const struct peers_counters *p = peers_counters(cluster_peers(a->cluster));
	static const char ends[] = "Connections to them that ended: with their process, or not.";
	static const char unwanted[] =
		"Connections of others closed: of unknown hosts or for room, of bad greetings.";

	*m++ = GAUGE("peers", "Other ARNs of the block that announce themselves.", peers, a);
	*m++ = GAUGE("peers_connected", "Connections to them that are up.", peers_connected, a);
	*m++ = COUNTER("peer_ends_total", ends, "found=\"dead\"", &p->lost);
	*m++ = COUNTER("peer_ends_total", ends, "found=\"alive\"", &p->resets);
	*m++ = COUNTER("peer_refused_total", unwanted, "reason=\"stranger\"", &p->strangers);
	*m++ = COUNTER("peer_refused_total", unwanted, "reason=\"greeting\"", &p->refused);
	*m++ = COUNTER("announced_total", "Announcements sent to them.", NULL, &c->sent);
	*m++ = COUNTER("elected_total", "Times that this one became master.", NULL, &c->elected);
	return m;
}

static struct metric *add_health(struct metric *m, const struct health_counters *c)
{
	static const char help[] = "Probes of nodes' services, by what came of them.";

	*m++ = COUNTER("probes_total", help, "result=\"answered\"", &c->answered);
	*m++ = COUNTER("probes_total", help, "result=\"failed\"", &c->failed);
	*m++ = COUNTER("probes_total", help, "result=\"void\"", &c->void_);
	*m++ = COUNTER("services_broken_total", "Times that a node's service was found broken.",
		NULL, &c->broken);
	*m++ = COUNTER("services_quarantined_total", "Times that a node's service was quarantined.",
		NULL, &c->quarantined);
	*m++ = COUNTER("node_reports_total", "Clients' reports that a node failed them.", NULL,
		&c->reports);
	return m;
}

#define METRICS_MAX 160

static uint64_t origins(void *arg)
{
	return (uint64_t)naming_origins(((const struct arn *)arg)->naming);
}

static uint64_t is_away(void *arg)
{
	const struct arn *a = arg;

	return a->sites && sites_away(a->sites);
}

static uint64_t serving_sites(void *arg)
{
	const struct arn *a = arg;

	return a->sites ? (uint64_t)sites_serving(a->sites) : 0;
}

static uint64_t times_away(void *arg)
{
	const struct arn *a = arg;

	return a->sites ? sites_core(a->sites)->went : 0;
}

static struct metric *add_sites(struct metric *m, struct arn *a)
{
	*m++ = GAUGE("away", "1 while another site serves in the place of this one.", is_away, a);
	*m++ = GAUGE("sites_serving", "ARNs of other sites that serve.", serving_sites, a);
	*m = GAUGE("away_total", "Times that it went for want of a node.", times_away, a);
	m++->kind = METRIC_COUNTER;
	return m;
}

static uint64_t flooded_records(void *arg)
{
	return (uint64_t)flood_records(flooder_core(((const struct arn *)arg)->flooder));
}

static uint64_t flooded_nodes(void *arg)
{
	return (uint64_t)flood_nodes(flooder_core(((const struct arn *)arg)->flooder));
}

static uint64_t flood_left_out(void *arg)
{
	return flood_counters(flooder_core(((const struct arn *)arg)->flooder))->left_out;
}

static struct metric *add_flood(struct metric *m, struct arn *a)
{
	const struct flood_counters *c = flood_counters(flooder_core(a->flooder));
	static const char help[] = "Records of other ARNs that were flooded here.";

	*m++ = GAUGE("flood_records", "Records of other ARNs that hold.", flooded_records, a);
	*m++ = GAUGE("flood_nodes", "Nodes of other sites in them.", flooded_nodes, a);
	*m++ = GAUGE("flood_left_out", "Own nodes that find no room in the own records.",
		flood_left_out, a);
	*m++ = COUNTER("flood_made_total", "Own records.", NULL, &c->made);
	*m++ = COUNTER("flood_sent_total", "Records that were sent to a site.", NULL, &c->sent);
	*m++ = COUNTER("flood_heard_total", help, "result=\"new\"", &c->heard);
	*m++ = COUNTER("flood_heard_total", help, "result=\"known\"", &c->doubles);
	*m++ = COUNTER("flood_heard_total", help, "result=\"own\"", &c->own);
	*m++ = COUNTER("flood_heard_total", help, "result=\"refused\"", &c->refused);
	*m++ = COUNTER("flood_heard_total", help, "result=\"crowded\"", &c->crowded);
	*m++ = COUNTER("flood_limited_total",
		"Times that a record had to wait, since a site was sent enough.", NULL,
		&c->limited);
	*m++ = COUNTER(
		"flood_expired_total", "Records that were not told again.", NULL, &c->expired);
	return m;
}

static struct metric *add_measure(struct metric *m, const struct measure_counters *c)
{
	*m++ = COUNTER(
		"measured_networks_total", "Networks of clients to be measured.", NULL, &c->wanted);
	*m++ = COUNTER(
		"measured_unknown_total", "Of these, that answer nobody.", NULL, &c->unknown);
	*m++ = COUNTER("measure_limited_total",
		"Clients that were left out for the rate, or for want of room.", NULL, &c->limited);
	*m++ = COUNTER("measure_echoes_total", "Echo requests to clients.", NULL, &c->echoes);
	*m++ = COUNTER("measure_replies_total", "Replies to these.", NULL, &c->replies);
	*m++ = COUNTER("measure_answers_total", "Answers to other sites.", NULL, &c->answered);
	return m;
}

static struct metric *add_naming(struct metric *m, struct arn *a)
{
	const struct naming_counters *c = naming_counters(a->naming);

	*m++ = GAUGE("origins", "Origins of content that requests asked for.", origins, a);
	*m++ = COUNTER("dns_queries_total", "Questions to name servers.", NULL, &c->queries);
	*m++ = COUNTER("dns_answers_total", "Answers of name servers.", NULL, &c->answers);
	*m++ = COUNTER("dns_denials_total", "Of these: there is no such name or record.", NULL,
		&c->denials);
	*m++ = COUNTER("dns_failures_total", "Questions that no name server answered.", NULL,
		&c->failures);
	return m;
}

static uint64_t profiles(void *arg)
{
	return (uint64_t)profiles_known(((const struct arn *)arg)->profiles);
}

static struct metric *add_profiles(struct metric *m, struct arn *a)
{
	const struct profiles_counters *c = profiles_counters(a->profiles);
	static const char help[] = "Questions for profiles, by what came of them.";

	*m++ = GAUGE("profiles", "Anycast addresses that a profile is known of.", profiles, a);
	*m++ = COUNTER("profile_fetches_total", help, "result=\"taken\"", &c->fetched);
	*m++ = COUNTER("profile_fetches_total", help, "result=\"unchanged\"", &c->unchanged);
	*m++ = COUNTER("profile_fetches_total", help, "result=\"none\"", &c->denied);
	*m++ = COUNTER("profile_fetches_total", help, "result=\"unreadable\"", &c->bad);
	*m++ = COUNTER("profile_fetches_total", help, "result=\"failed\"", &c->failed);
	return m;
}

static uint64_t allotments(void *arg)
{
	return (uint64_t)casc_known(((const struct arn *)arg)->casc);
}

static struct metric *add_channels(struct metric *m, struct arn *a)
{
	const struct casc_counters *c = casc_counters(a->casc);
	static const char help[] = "Questions for channels, by what came of them.";

	*m++ = GAUGE("allotments", "URLs that a channel is known of.", allotments, a);
	*m++ = COUNTER("allotment_fetches_total", help, "result=\"taken\"", &c->taken);
	*m++ = COUNTER("allotment_fetches_total", help, "result=\"none\"", &c->denied);
	*m++ = COUNTER("allotment_fetches_total", help, "result=\"unreadable\"", &c->bad);
	*m++ = COUNTER("allotment_fetches_total", help, "result=\"failed\"", &c->failed);
	return m;
}

static uint64_t far_known(void *arg)
{
	return (uint64_t)far_count(wide_far(overflow_wide(((const struct arn *)arg)->overflow)));
}

static uint64_t far_eligible_now(void *arg)
{
	return (uint64_t)far_eligible(wide_far(overflow_wide(((const struct arn *)arg)->overflow)));
}

static uint64_t use_at_home(void *arg)
{
	const struct arn *a = arg;

	return (uint64_t)(1000 * wide_area(overflow_wide(a->overflow))->local);
}

static uint64_t far_strays(void *arg)
{
	struct overflow *o = ((const struct arn *)arg)->overflow;

	return surveyor_counters(overflow_surveyor(o))->strays +
	       far_counters(wide_far(overflow_wide(o)))->strays;
}

static uint64_t far_refused(void *arg)
{
	const struct overflow *o = ((const struct arn *)arg)->overflow;
	const struct surveyor_counters *c = surveyor_counters(overflow_surveyor(o));
	uint64_t n = c->bad_payload;

	for (int i = 0; i < WIRE_ERRORS; i++)
		n += c->refused[i];
	return n;
}

static struct metric *add_wide(struct metric *m, struct arn *a)
{
	const struct far_counters *c = far_counters(wide_far(overflow_wide(a->overflow)));
	const struct surveyor_counters *s = surveyor_counters(overflow_surveyor(a->overflow));
	const struct lookups_counters *l = lookups_counters(overflow_lookups(a->overflow));
	static const char help[] = "Questions to nodes elsewhere, and what came of them.";
	static const char asked[] = "Questions to name servers for nodes elsewhere.";

	*m++ = GAUGE("far_known", "Nodes elsewhere that are known.", far_known, a);
	*m++ = GAUGE("far_eligible", "Of these, who can get clients.", far_eligible_now, a);
	*m++ = GAUGE("home_use_permille", "Use of the nodes at home.", use_at_home, a);
	*m++ = COUNTER("far_questions_total", help, "result=\"sent\"", &c->asked);
	*m++ = COUNTER("far_questions_total", help, "result=\"answered\"", &c->answered);
	*m++ = COUNTER("far_questions_total", help, "result=\"missed\"", &c->missed);
	*m = GAUGE("far_strays_total", "Answers that nobody waited for.", far_strays, a);
	m++->kind = METRIC_COUNTER;
	*m = GAUGE("far_refused_total", "Answers that cannot be believed.", far_refused, a);
	m++->kind = METRIC_COUNTER;
	*m++ = COUNTER("far_unstamped_total", "Questions whose time the kernel did not tell.", NULL,
		&s->unstamped);
	*m++ = COUNTER("far_lookups_total", asked, "result=\"sent\"", &l->asked);
	*m++ = COUNTER("far_lookups_total", asked, "result=\"answered\"", &l->answered);
	*m++ = COUNTER("far_lookups_total", asked, "result=\"failed\"", &l->failed);
	*m++ = COUNTER("far_lost_total", "Times that one ceased to answer.", NULL, &c->lost);
	*m++ = COUNTER("far_crowded_total", "Nodes elsewhere that there was no room for.", NULL,
		&c->crowded);
	return m;
}

static struct metric *add_primes(struct metric *m, const struct prime_counters *c)
{
	*m++ = COUNTER("primes_asked_total", "Requests for ports sent to nodes.", NULL, &c->asked);
	*m++ = COUNTER("primes_total", "Answers of nodes.", "answer=\"granted\"", &c->granted);
	*m++ = COUNTER("primes_total", "Answers of nodes.", "answer=\"refused\"", &c->refused);
	*m++ = COUNTER("primes_total", "Answers of nodes.", "answer=\"none\"", &c->silent);
	*m++ = COUNTER("primes_gone_total", "Ports that nodes took back, or lost.", NULL, &c->gone);
	return m;
}

int arn_meter(struct arn *a)
{
	struct metric *m;

	a->metrics = metrics_new();
	a->metric = calloc(METRICS_MAX, sizeof(*a->metric)); /* the last one stays without a name */
	a->meter_crew = calloc(LISTENED, sizeof(*a->meter_crew));
	if (!a->metrics || !a->metric || !a->meter_crew)
		return -ENOMEM;
	m = a->metric;
	*m++ = GAUGE("block_up", "1 while the block is reachable here.", block_is_up, a);
	*m++ = GAUGE("master", "1 while no other ARN is to hold the block.", is_master, a);
	*m++ = GAUGE("draining", "1 while drained by the operator.", is_draining, a);
	*m++ = GAUGE("connections", "Connections open now.", connections, a);
	*m++ = GAUGE("nodes_known", "Service nodes known.", nodes_known, a);
	*m++ = GAUGE("nodes_usable", "Service nodes that take new clients.", nodes_usable, a);
	*m++ = GAUGE("direct_objects", "Objects that are answered directly.", direct_held, a);
	*m++ = GAUGE("reserved",
		"Clients that were sent to a node and are not announced by it yet.", reserved, a);
	*m = GAUGE("reservations_expired_total", "Clients that were sent to a node and never came.",
		reservations_expired, a);
	m++->kind = METRIC_COUNTER;
	*m = GAUGE("block_raised_total", "Times that the block came up.", blocks_raised, a);
	m++->kind = METRIC_COUNTER;
	*m = GAUGE("workers_started_total", "Workers started by the guardian.", workers_started, a);
	m++->kind = METRIC_COUNTER;
	*m++ = GAUGE("next_hop_claimed", "1 while this one answers for the next hop.",
		next_hop_is_claimed, a);
	*m = GAUGE("next_hop_contested_total",
		"Frames in which another host claimed it at the same time.", next_hop_contests, a);
	m++->kind = METRIC_COUNTER;
	*m++ = GAUGE("threads", "Threads that answer clients.", threads, a);
	*m = GAUGE(
		"reports_lost_total", "Reports of these threads that were lost.", reports_lost, a);
	m++->kind = METRIC_COUNTER;
	m = add_listeners(m, a);
	m = add_health(m, health_counters(prober_health(a->prober)));
	m = add_naming(m, a);
	m = add_profiles(m, a);
	m = add_channels(m, a);
	m = add_sites(m, a);
	if (a->measurer)
		m = add_measure(m, measure_counters(measurer_core(a->measurer)));
	if (a->flooder)
		m = add_flood(m, a);
	if (a->discovery)
		m = add_discovery(m, discovery_counters(a->discovery));
	if (a->cluster)
		m = add_cluster(m, a);
	if (a->overflow)
		m = add_wide(m, a);
	if (a->primer)
		m = add_primes(m, prime_counters(primer_core(a->primer)));
	assert(m - a->metric < METRICS_MAX);
	metrics_add(a->metrics, a->metric, (int)(m - a->metric));
	return 0;
}

# SPDX-License-Identifier: GPL-2.0-or-later

dist_man_MANS += \
	docs/man/arn.8 \
	docs/man/arn.conf.5 \
	docs/man/client-failover.1 \
	docs/man/nearctl.1 \
	docs/man/nearlab.1 \
	docs/man/sn-agent.8 \
	docs/man/sn-agent.conf.5

# With their folders, so that the links between them hold where they are installed, too.
nobase_dist_doc_DATA = \
	README.md \
	docs/architecture.md \
	docs/decisions/0001-dead-man-switch.md \
	docs/decisions/0002-one-flight-attachment.md \
	docs/decisions/0003-wildcard-listeners.md \
	docs/decisions/0004-delay-by-wirefilter.md \
	docs/decisions/0005-external-route.md \
	docs/decisions/0006-half-the-numbers.md \
	docs/decisions/0007-withdrawn-before-down.md \
	docs/decisions/0008-one-port-pair.md \
	docs/decisions/0009-in-doubt-master.md \
	docs/decisions/0010-floating-next-hop.md \
	docs/decisions/0011-never-all-sites.md \
	docs/decisions/0012-reserve-until-announced.md \
	docs/decisions/0013-hearsay-and-probes.md \
	docs/decisions/0014-a-port-says-it.md \
	docs/decisions/0015-names-are-walked.md \
	docs/decisions/0016-answered-at-once.md \
	docs/decisions/0017-tokens-in-the-query.md \
	docs/decisions/0018-an-address-a-hash.md \
	docs/decisions/0019-profiles-are-files.md \
	docs/decisions/0020-ten-segments-of-its-own.md \
	docs/decisions/0021-numbers-follow-from-urls.md \
	docs/decisions/0022-nginx-is-told.md \
	docs/decisions/0023-players-meet-a-server.md \
	docs/decisions/0024-the-rest-of-that-very-object.md \
	docs/decisions/0025-unicast-until-the-group-is-heard.md \
	docs/decisions/0026-a-film-has-one-numbering.md \
	docs/decisions/0027-users-and-accounts.md \
	docs/decisions/0028-joins-follow-routes.md \
	docs/decisions/0029-budgets-are-dolls.md \
	docs/decisions/0030-waiting-for-each-other.md \
	docs/decisions/0031-the-network-is-told-of-a-source.md \
	docs/decisions/0032-two-tables-in-every-router.md \
	docs/decisions/0033-many-nodes-at-a-time.md \
	docs/decisions/0034-one-question-for-a-far-node.md \
	docs/decisions/0035-the-area-follows-the-load.md \
	docs/decisions/0036-load-is-flooded.md \
	docs/decisions/0037-crawl-and-names-go-outwards.md \
	docs/decisions/0038-regions-are-places-of-clients.md \
	docs/decisions/0039-a-name-may-be-published-again.md \
	docs/examples/arn.conf \
	docs/examples/bird-overlay.conf \
	docs/examples/bird.conf \
	docs/examples/directory.zone \
	docs/examples/sn-agent.conf \
	docs/internet.png \
	docs/lab.md \
	docs/nearcast.svg \
	docs/operations.md \
	docs/overflow.png \
	docs/protocol.md \
	docs/protocol/access.md \
	docs/protocol/lan.md \
	docs/protocol/management.md \
	docs/protocol/node.md \
	docs/protocol/origin.md \
	docs/protocol/overlay.md \
	docs/protocol/redirection.md \
	docs/protocol/wide-area.md \
	docs/simulation.md \
	docs/timeline.png \
	docs/wide-cost.png \
	docs/wide-crowd.png \
	docs/wide-region.png

# What test_docs.py compares the manual with.
check_PROGRAMS += tests/unit/print_options
tests_unit_print_options_SOURCES = tests/unit/print_options.c
tests_unit_print_options_LDADD = arn/libarn.a sn-agent/libsnagent.a $(nearcast_libs)

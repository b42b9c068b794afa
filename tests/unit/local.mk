# SPDX-License-Identifier: GPL-2.0-or-later
#
# One program a file: tests/unit/check_NAME is made of tests/unit/check_NAME.c, the cores'
# libraries, libnearcast and check. A new test is one line in the list of its area.

unit_tests =

# lib
unit_tests += tests/unit/check_rtspc
unit_tests += tests/unit/check_rtspc_who
unit_tests += tests/unit/check_account
unit_tests += tests/unit/check_addr
unit_tests += tests/unit/check_conf
unit_tests += tests/unit/check_ctl
unit_tests += tests/unit/check_cursor
unit_tests += tests/unit/check_daemon
unit_tests += tests/unit/check_digest
unit_tests += tests/unit/check_dnsmsg
unit_tests += tests/unit/check_echo
unit_tests += tests/unit/check_json
unit_tests += tests/unit/check_log
unit_tests += tests/unit/check_loop
unit_tests += tests/unit/check_lots
unit_tests += tests/unit/check_mailbox
unit_tests += tests/unit/check_metrics
unit_tests += tests/unit/check_netlink
unit_tests += tests/unit/check_place
unit_tests += tests/unit/check_probe
unit_tests += tests/unit/check_sbuf
unit_tests += tests/unit/check_slice
unit_tests += tests/unit/check_soft
unit_tests += tests/unit/check_stream
unit_tests += tests/unit/check_survey
unit_tests += tests/unit/check_udp
unit_tests += tests/unit/check_text
unit_tests += tests/unit/check_transport
unit_tests += tests/unit/check_url
unit_tests += tests/unit/check_token
unit_tests += tests/unit/check_wire
unit_tests += tests/unit/check_sdp
unit_tests += tests/unit/check_rtp
unit_tests += tests/unit/check_gap
unit_tests += tests/unit/check_announce
unit_tests +=

# arn
unit_tests += tests/unit/check_area tests/unit/check_far tests/unit/check_wide_sim tests/unit/check_wide
unit_tests += tests/unit/check_scout_crawl tests/unit/check_scout_names tests/unit/check_measure tests/unit/check_region
unit_tests += tests/unit/check_admit tests/unit/check_crew tests/unit/check_direct tests/unit/check_directory tests/unit/check_election tests/unit/check_health \
	tests/unit/check_election_sim tests/unit/check_flood tests/unit/check_flood_sim tests/unit/check_scout_flood tests/unit/check_fate tests/unit/check_deadman tests/unit/check_listener tests/unit/check_lookups tests/unit/check_prime \
	tests/unit/check_nexthop tests/unit/check_pass tests/unit/check_profile tests/unit/check_peer tests/unit/check_policy tests/unit/check_redirect tests/unit/check_reserve \
	tests/unit/check_origin tests/unit/check_resolve \
	tests/unit/check_surveyor tests/unit/check_select tests/unit/check_select_sim tests/unit/check_share tests/unit/check_site

# sn-agent
unit_tests += tests/unit/check_attach tests/unit/check_sender
unit_tests += tests/unit/check_login
unit_tests += tests/unit/check_budget tests/unit/check_ports tests/unit/check_cas tests/unit/check_channel tests/unit/check_fetch tests/unit/check_group tests/unit/check_keyframe tests/unit/check_load tests/unit/check_relay \
	tests/unit/check_ring tests/unit/check_successor tests/unit/check_selfcheck tests/unit/check_rtsp tests/unit/check_unwritten tests/unit/check_upstream
unit_tests += tests/unit/check_overlay_sim tests/unit/check_sources tests/unit/check_via
unit_tests += tests/unit/check_visitors tests/unit/check_web_conf tests/unit/check_web_report
unit_tests += tests/unit/check_film tests/unit/check_library tests/unit/check_rtsp_film tests/unit/check_ts tests/unit/check_vod

# client-failover
unit_tests += tests/unit/check_client_sim tests/unit/check_delivery tests/unit/check_detect tests/unit/check_failover tests/unit/check_output \
	tests/unit/check_playout
unit_tests += tests/unit/check_gatehead tests/unit/check_response tests/unit/check_serve tests/unit/check_webget

# nearctl
unit_tests += tests/unit/check_table

# What tests and fuzz targets link with (they have no *_LDADD of their own).
LDADD = $(fuzz_driver) arn/libarn.a sn-agent/libsnagent.a client-failover/libclientfailover.a \
	nearctl/libnearctl.a $(nearcast_libs) $(CHECK_LIBS)

# libFuzzer brings a main() of its own into everything that LDADD is for.
if !FUZZING
check_PROGRAMS += $(unit_tests)
endif

EXTRA_DIST += tests/unit/film_fixture.h tests/unit/vod_fixture.h tests/unit/flood_net.h tests/unit/scout_fixture.h tests/unit/literal.h tests/unit/run.h tests/unit/nginx_text.h

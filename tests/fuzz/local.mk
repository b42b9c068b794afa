# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/fuzz/fuzz_NAME is made of tests/fuzz/fuzz_NAME.c and the libraries of LDADD (see
# tests/unit/local.mk). A new target is one line in the list, and a folder corpus/NAME.

fuzz_targets =

# lib
fuzz_targets += tests/fuzz/fuzz_addr
fuzz_targets += tests/fuzz/fuzz_attach
fuzz_targets += tests/fuzz/fuzz_conf
fuzz_targets += tests/fuzz/fuzz_ctl
fuzz_targets += tests/fuzz/fuzz_probe
fuzz_targets += tests/fuzz/fuzz_digest
fuzz_targets += tests/fuzz/fuzz_echo
fuzz_targets += tests/fuzz/fuzz_dnsmsg
fuzz_targets += tests/fuzz/fuzz_prime
fuzz_targets += tests/fuzz/fuzz_rtp
fuzz_targets += tests/fuzz/fuzz_gap
fuzz_targets += tests/fuzz/fuzz_announce
fuzz_targets += tests/fuzz/fuzz_rtspc
fuzz_targets += tests/fuzz/fuzz_sdp
fuzz_targets += tests/fuzz/fuzz_survey
fuzz_targets += tests/fuzz/fuzz_text
fuzz_targets += tests/fuzz/fuzz_token
fuzz_targets += tests/fuzz/fuzz_url
fuzz_targets += tests/fuzz/fuzz_wire
fuzz_targets +=

# arn
fuzz_targets += tests/fuzz/fuzz_flood tests/fuzz/fuzz_nexthop tests/fuzz/fuzz_peer tests/fuzz/fuzz_redirect
fuzz_targets += tests/fuzz/fuzz_measure
fuzz_targets += tests/fuzz/fuzz_origin tests/fuzz/fuzz_profile tests/fuzz/fuzz_cas

# sn-agent
fuzz_targets += tests/fuzz/fuzz_film tests/fuzz/fuzz_keyframe tests/fuzz/fuzz_sn_rtcp tests/fuzz/fuzz_sn_rtsp
fuzz_targets += tests/fuzz/fuzz_web

# client-failover
fuzz_targets += tests/fuzz/fuzz_response
fuzz_targets += tests/fuzz/fuzz_serve

# nearctl
fuzz_targets += tests/fuzz/fuzz_table

check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/must.h

if FUZZING
fuzz_driver = $(NC_FUZZ_LDFLAGS)
else
fuzz_driver = tests/fuzz/libreplay.a
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/driver/replay.c
endif

# SPDX-License-Identifier: GPL-2.0-or-later

dist_doc_DATA += README.md docs/architecture.md docs/nearcast.svg
EXTRA_DIST += docs/decisions

examplesdir = $(docdir)/examples
dist_examples_DATA = docs/examples/arn.conf docs/examples/bird.conf docs/examples/sn-agent.conf

# SPDX-License-Identifier: GPL-2.0-or-later

dist_doc_DATA += README.md docs/architecture.md docs/nearcast.svg
EXTRA_DIST += docs/decisions

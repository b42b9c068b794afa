# SPDX-License-Identifier: GPL-2.0-or-later

# With the command and its package (every file is listed, so that it is in the tarball and installed):
#dist_bin_SCRIPTS += lab/nearlab
#nearlabdir = $(pkgdatadir)/lab/nearlab_lib
#dist_nearlab_DATA = lab/nearlab_lib/__init__.py

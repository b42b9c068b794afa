# SPDX-License-Identifier: GPL-2.0-or-later
#
# Macros of nearcast's configure.ac.

# NC_PKG(VARIABLE, MODULE, DEBIAN-PACKAGE)
# Asks pkg-config for MODULE (a name with an optional version relation) and sets VARIABLE_CFLAGS
# and VARIABLE_LIBS. What is missing is collected, so that NC_PKG_REPORT can name it all at once.
AC_DEFUN([NC_PKG], [
	AC_REQUIRE([PKG_PROG_PKG_CONFIG])
	PKG_CHECK_MODULES([$1], [$2], [:], [
		nc_missing="${nc_missing}
    $2 (Debian, Ubuntu: $3)"
		nc_missing_packages="$nc_missing_packages $3"
	])
])

# NC_PKG_REPORT
# Stops when any NC_PKG before failed, naming every missing module and the packages that have them.
AC_DEFUN([NC_PKG_REPORT], [
	AS_IF([test -n "$nc_missing"], [
		AC_MSG_ERROR([these libraries were not found by pkg-config:
$nc_missing

  On Debian and Ubuntu: apt-get install$nc_missing_packages
  Installed elsewhere? Say where their .pc files are: ./configure PKG_CONFIG_PATH=DIR])
	])
])

# NC_CFLAG(VARIABLE, FLAGS)
# Appends FLAGS to VARIABLE if the compiler takes them, with the user's CFLAGS, without a warning.
AC_DEFUN([NC_CFLAG], [
	AC_MSG_CHECKING([whether $CC takes $2])
	nc_save_CFLAGS=$CFLAGS
	CFLAGS="$CFLAGS -Werror $2"
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("");]])],
		[AC_MSG_RESULT([yes])
		AS_VAR_APPEND([$1], [" $2"])],
		[AC_MSG_RESULT([no])])
	CFLAGS=$nc_save_CFLAGS
])

# NC_LDFLAG(VARIABLE, FLAGS)
# The same for the linker.
AC_DEFUN([NC_LDFLAG], [
	AC_MSG_CHECKING([whether the linker takes $2])
	nc_save_LDFLAGS=$LDFLAGS
	LDFLAGS="$LDFLAGS -Werror $2"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("");]])],
		[AC_MSG_RESULT([yes])
		AS_VAR_APPEND([$1], [" $2"])],
		[AC_MSG_RESULT([no])])
	LDFLAGS=$nc_save_LDFLAGS
])

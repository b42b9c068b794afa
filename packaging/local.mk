# SPDX-License-Identifier: GPL-2.0-or-later

EXTRA_DIST += packaging/packages.debian packaging/prepare

systemd_units = packaging/systemd/arn.service packaging/systemd/sn-agent.service
EXTRA_DIST += $(systemd_units:=.in)
if WITH_SYSTEMD
systemdsystemunit_DATA = $(systemd_units)
CLEANFILES += $(systemd_units)
endif
$(systemd_units): Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
packaging/systemd/arn.service: packaging/systemd/arn.service.in
packaging/systemd/sn-agent.service: packaging/systemd/sn-agent.service.in

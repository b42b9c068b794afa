# SPDX-License-Identifier: GPL-2.0-or-later

# The command and its package (every file is listed, so that it is in the tarball and installed).
# configure links lab/nearlab into the build tree, where it finds the programs that were built.
dist_bin_SCRIPTS += lab/nearlab
nearlabdir = $(pkgdatadir)/lab/nearlab_lib
dist_nearlab_DATA = \
	lab/nearlab_lib/__init__.py \
	lab/nearlab_lib/accounts.py \
	lab/nearlab_lib/asgraph.py \
	lab/nearlab_lib/attach.py \
	lab/nearlab_lib/budget.py \
	lab/nearlab_lib/capacity.py \
	lab/nearlab_lib/catchment.py \
	lab/nearlab_lib/catchments.py \
	lab/nearlab_lib/checked.py \
	lab/nearlab_lib/cli.py \
	lab/nearlab_lib/cluster.py \
	lab/nearlab_lib/compare.py \
	lab/nearlab_lib/crowd.py \
	lab/nearlab_lib/daemons.py \
	lab/nearlab_lib/doubles.py \
	lab/nearlab_lib/each.py \
	lab/nearlab_lib/failover.py \
	lab/nearlab_lib/faults.py \
	lab/nearlab_lib/fetch.py \
	lab/nearlab_lib/gateway.py \
	lab/nearlab_lib/health.py \
	lab/nearlab_lib/inside.py \
	lab/nearlab_lib/interdomain.py \
	lab/nearlab_lib/isolate.py \
	lab/nearlab_lib/keeper.py \
	lab/nearlab_lib/library.py \
	lab/nearlab_lib/links.py \
	lab/nearlab_lib/loads.py \
	lab/nearlab_lib/local.py \
	lab/nearlab_lib/lost_names.py \
	lab/nearlab_lib/master.py \
	lab/nearlab_lib/masters.py \
	lab/nearlab_lib/media.py \
	lab/nearlab_lib/naming.py \
	lab/nearlab_lib/network.py \
	lab/nearlab_lib/nodes.py \
	lab/nearlab_lib/outer.py \
	lab/nearlab_lib/overflow.py \
	lab/nearlab_lib/overlay.py \
	lab/nearlab_lib/pcap.py \
	lab/nearlab_lib/players.py \
	lab/nearlab_lib/predict.py \
	lab/nearlab_lib/probe.py \
	lab/nearlab_lib/reach.py \
	lab/nearlab_lib/report.py \
	lab/nearlab_lib/rogue.py \
	lab/nearlab_lib/routing.py \
	lab/nearlab_lib/rtp.py \
	lab/nearlab_lib/rtpdump.py \
	lab/nearlab_lib/scenario.py \
	lab/nearlab_lib/script.py \
	lab/nearlab_lib/service.py \
	lab/nearlab_lib/site.py \
	lab/nearlab_lib/soak.py \
	lab/nearlab_lib/state.py \
	lab/nearlab_lib/tables.py \
	lab/nearlab_lib/timeline.py \
	lab/nearlab_lib/topology.py \
	lab/nearlab_lib/trust.py \
	lab/nearlab_lib/userfile.py \
	lab/nearlab_lib/vod.py \
	lab/nearlab_lib/web.py \
	lab/nearlab_lib/web_cache.py \
	lab/nearlab_lib/webfail.py \
	lab/nearlab_lib/wide.py \
	lab/nearlab_lib/world.py \
	lab/nearlab_lib/worldmap.py

scenariosdir = $(pkgdatadir)/lab/scenarios
dist_scenarios_DATA = \
	lab/scenarios/all-dead.py \
	lab/scenarios/attach.py \
	lab/scenarios/boot-all.py \
	lab/scenarios/budget.py \
	lab/scenarios/changed-web.py \
	lab/scenarios/cut-overlay-node.py \
	lab/scenarios/cut-sn.py \
	lab/scenarios/cut-tunnel.py \
	lab/scenarios/cut-web.py \
	lab/scenarios/dns-dies.py \
	lab/scenarios/drain-master.py \
	lab/scenarios/each-failure.py \
	lab/scenarios/ecmp-kill.py \
	lab/scenarios/flap-master.py \
	lab/scenarios/flash-crowd.py \
	lab/scenarios/group-breaks.py \
	lab/scenarios/hang-arn.py \
	lab/scenarios/hang-master.py \
	lab/scenarios/hang-overlay-node.py \
	lab/scenarios/hang-sn.py \
	lab/scenarios/hang-web.py \
	lab/scenarios/kill-a4.py \
	lab/scenarios/kill-arn-sn.py \
	lab/scenarios/kill-attachment.py \
	lab/scenarios/kill-arn.py \
	lab/scenarios/kill-hls.py \
	lab/scenarios/kill-master.py \
	lab/scenarios/kill-next.py \
	lab/scenarios/kill-sn-crowd.py \
	lab/scenarios/kill-sn-far.py \
	lab/scenarios/kill-sn-gateway.py \
	lab/scenarios/kill-sn-players.py \
	lab/scenarios/kill-sn-route.py \
	lab/scenarios/kill-overlay-node.py \
	lab/scenarios/kill-sn-vod.py \
	lab/scenarios/kill-sn.py \
	lab/scenarios/kill-source.py \
	lab/scenarios/kill-two.py \
	lab/scenarios/kill-web.py \
	lab/scenarios/lose-block.py \
	lab/scenarios/lose-colo.py \
	lab/scenarios/lose-master.py \
	lab/scenarios/lose-tier1.py \
	lab/scenarios/no-service.py \
	lab/scenarios/one-way-loss.py \
	lab/scenarios/one-copy.py \
	lab/scenarios/overflow.py \
	lab/scenarios/part-lan.py \
	lab/scenarios/per-address.py \
	lab/scenarios/rogue-announcer.py \
	lab/scenarios/service-blocked.py \
	lab/scenarios/service-dead.py \
	lab/scenarios/service-hung.py \
	lab/scenarios/service-slow.py \
	lab/scenarios/slow-sn.py \
	lab/scenarios/web-cache.py

# make lab [TOPO=fig6 | internet,ases=60] [SCENARIO=kill-sn]: the demonstration, and its report in nearlab-report/
TOPO = fig6
SCENARIO =
lab: all
	$(AM_V_at)lab/nearlab demo $(TOPO) $(SCENARIO); $(lab_report_is_yours)

# make soak [SOAKFLAGS='--runs 20 --jobs 1']: many failovers, and a table of their results
SOAKFLAGS =
soak: all
	$(AM_V_at)lab/nearlab soak $(SOAKFLAGS); $(lab_report_is_yours)

# Root's files in somebody else's build folder are given to its owner.
lab_report_is_yours = status=$$?; \
	for d in nearlab-report lab/cache; do \
		if [ "$$(id -u)" = 0 ] && [ -e $$d ]; then chown -R --reference=. $$d; fi; \
	done; exit $$status

.PHONY: lab soak

# SPDX-License-Identifier: GPL-2.0-or-later
"""
How long a client is without an answer when the master of a cluster is killed: nearcast and keepalived.

Figure 5, one run, one client that asks every 10 ms. In turn

  - arn of the master is killed (SIGKILL, guardian and worker), the next ARN takes over;
  - keepalived of the master is killed (SIGKILL, all its processes) on one of two other hosts of the
    same LAN, at its fastest; behind it a small server that answers each request with a redirection.

keepalived's fastest: VRRPv3, advertisements every 10 ms, and priorities so high that a backup adds
almost nothing to the three that it waits for (RFC 5798, 6.1: a skew of (256 - priority) / 256 of one;
255 would be the owner, who has the address in any case), with the real-time priority that arn's
guardian has, and its memory locked. (--param adverts=1: it waits for one only, which leaves the
protocol, and makes two masters of a backup that is 10 ms late.)

What counts is the time from the kill to the end of the first transaction that was asked after the
kill and answered; then the victim is started again, and is master again before the next kill.
"""

import json
import math
import os
import signal
import statistics
import sys

from nearlab_lib import cluster, daemons

topologies = ["fig5"]
params = {"kills": 20, "adverts": 3, **cluster.PARAMS}

INTERVAL = 10  # ms between a client's transactions
VIRTUAL, PORT = "10.5.0.3", 8554
SERVER = f"""
import asyncio
async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"RTSP/1.0 302 Moved Temporarily\\r\\nCSeq: 1\\r\\nLocation: rtsp://10.5.0.16/news\\r\\n"
                 b"Content-Length: 0\\r\\n\\r\\n")
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "0.0.0.0", {PORT})
    await server.serve_forever()
asyncio.run(main())
"""
CONF = """global_defs {{
	router_id {name}
	vrrp_version 3
	vrrp_garp_master_delay 0
	vrrp_rt_priority 1
	vrrp_no_swap
}}
vrrp_instance bench {{
	state BACKUP
	interface {interface}
	virtual_router_id 77
	priority {priority}
	advert_int 0.01
	down_timer_adverts {adverts}
	virtual_ipaddress {{
		{address}/24 dev {interface}
	}}
}}
"""


class Peer:
    """keepalived on two hosts, the first of which is master while it is there."""

    def __init__(self, lab, hosts):
        self.lab, self.hosts = lab, hosts
        for priority, name in zip((254, 253), hosts):
            node = lab.net[name]
            interface = node.defaultIntf().name
            node.write("run/keepalived.conf", CONF.format(
                name=name, interface=interface, priority=priority, address=VIRTUAL,
                adverts=int(lab.params["adverts"])))
            node.daemon("server", [sys.executable, "-c", SERVER])
            node.daemon("keepalived", [
                daemons.find("keepalived"), "-n", "-l", "-P", "-f", "/run/keepalived.conf",
                "-p", "/run/keepalived.pid", "-r", "/run/keepalived-vrrp.pid"])

    def holds(self, name):
        """Whether the host has the virtual address, by itself."""
        out, _, _ = self.lab.net[name].pexec(["ip", "-o", "-4", "addr", "show"])
        return f" {VIRTUAL}/" in out

    def wait_first(self):
        """Until the first host alone has the address."""
        daemons.wait_until(lambda: [self.holds(n) for n in self.hosts] == [True, False], 20,
                           f"{self.hosts[0]} alone has {VIRTUAL}")

    def drop_stale(self):
        """What a killed keepalived leaves behind is taken away, as an operator would have to."""
        node = self.lab.net[self.hosts[0]]
        node.pexec(["ip", "addr", "del", f"{VIRTUAL}/24", "dev", node.defaultIntf().name])


def answered(probe, since):
    """ms from `since` (monotonic) to the end of the first transaction asked after it; or None."""
    asked = [json.loads(text) for _, text in list(probe.lines)]
    ends = [a["t"] + a["ms"] / 1000 for a in asked if a["t"] >= since and a.get("code") == 302]
    return (min(ends) - since) * 1000 if ends else None


def gap(lab, probe, target):
    """Kills the target; the client's gap in ms."""
    lab.pause(lab.random.uniform(0.3, 0.6))
    at = lab.start + lab.fault("kill", target)
    return probe.wait_for(lambda: answered(probe, at), 20, f"an answer after the kill of {target}")


def kill_arn(lab, clients, url):
    """One kill of nearcast's master."""
    clients.wait_master(clients.names[0], clients.names, 20, f"{clients.names[0]} is master")
    probe = lab.probe(clients.client, url, INTERVAL)
    probe.wait_for(lambda: len(probe.lines) >= 10, 10, "the client asks")
    took = gap(lab, probe, f"arn@{clients.names[0]}")
    probe.stop()
    lab.fault("restart", f"arn@{clients.names[0]}")
    return took


def kill_keepalived(lab, peer, client):
    """One kill of keepalived's."""
    peer.wait_first()
    probe = lab.probe(client, f"rtsp://{VIRTUAL}:{PORT}/news", INTERVAL)
    probe.wait_for(lambda: sum('"code"' in text for _, text in probe.lines) >= 10, 10,
                   "the client is answered")
    # Its server dies with it, as arn does: else the stale address would still answer.
    lab.net[peer.hosts[0]].daemons["server"].signal(signal.SIGKILL, everyone=True)
    took = gap(lab, probe, f"keepalived@{peer.hosts[0]}")
    probe.stop()
    peer.drop_stale()
    for daemon in ("server", "keepalived"):
        lab.fault("restart", f"{daemon}@{peer.hosts[0]}")
    return took


def summary(times):
    """{median, …} of some ms. p95 is the nearest rank: the least that 95 % do not exceed."""
    ordered = sorted(times)
    return {"kills": len(times), "min": round(ordered[0], 1),
            "median": round(statistics.median(times), 1),
            "p95": round(ordered[math.ceil(0.95 * len(times)) - 1], 1),
            "max": round(ordered[-1], 1)}


def run(lab):
    """Kill after kill, in turn, so that both see the same machine."""
    clients = cluster.Cluster(lab)
    url = f"rtsp://{lab.topo.service}/{lab.params['path']}"
    clients.wait_master(clients.names[0], clients.names, 20, f"{clients.names[0]} is master")
    lab.wait_service(clients.client, url)
    peer = Peer(lab, ["N1", "N2"])
    times = {"nearcast": [], "keepalived": []}
    for _ in range(int(lab.params["kills"])):
        times["nearcast"].append(kill_arn(lab, clients, url))
        times["keepalived"].append(kill_keepalived(lab, peer, clients.client))
    found = {who: summary(t) for who, t in times.items()}
    ratio = found["keepalived"]["median"] / found["nearcast"]["median"]
    lab.measured.update(**found, ratio=round(ratio, 2), times={
        who: [round(t, 1) for t in every] for who, every in times.items()})
    lab.check(all(len(t) == int(lab.params["kills"]) for t in times.values()), "all were measured")
    lab.tell(f"From SIGKILL to the first answer, ms; a client asks every {INTERVAL} ms "
             f"({os.cpu_count()} cores):")
    lab.tell(f"{'':12}{'kills':>6}{'min':>8}{'median':>8}{'p95':>8}{'max':>8}")
    for who, s in found.items():
        lab.tell(f"{who:12}{s['kills']:6}{s['min']:8}{s['median']:8}{s['p95']:8}{s['max']:8}")
    lab.tell(f"keepalived / nearcast, medians: {ratio:.2f}")

# SPDX-License-Identifier: GPL-2.0-or-later
"""
The lab's name server: Knot DNS, and what it says.

It is authoritative for everything, the root, so that one server is all that a lab needs: a client's
resolver follows no aliases by itself, and Knot follows them inside of a zone only. In it are, for
the service acme.com (which has an alias: D2), the anycast address in the zone cbb.net, by its names
(D1); and every node, as NODE.cbb.net and as the plain NODE.
"""

import ipaddress

CAS = 8080  # port of channel allocation services
TTL = 2  # s, short: scenarios wait for it to be over

CONF = """server:
  listen: {address}@53
  rundir: "/run/knot"
database:
  storage: "/run/knot"
control:
  listen: "/run/knot/ctl"
log:
  - target: stderr
    any: info
zone:
  - domain: "."
    storage: "/run/knot"
    file: "root.zone"
"""


def dashed(address):
    """10.1.18.27 as the first label of its name: the rule of docs/protocol/origin.md."""
    ip = ipaddress.ip_address(address)
    parts = str(ip).split(".") if ip.version == 4 else [f"{int(p, 16):x}" for p in
                                                        ip.exploded.split(":")]
    return "anycast-" + "-".join(parts)


def zone(topo, server):
    """The root zone: `origin` of the name server's node is where SRV records lead."""
    kind = {4: "A", 6: "AAAA"}
    lines = [f"$TTL {TTL}", f". SOA {server}.cbb.net. hostmaster.cbb.net. 1 60 60 60 1",
             f". NS {server}.cbb.net."]
    for node in topo.nodes():
        address = topo.address(node)
        if address:
            record = f"{kind[ipaddress.ip_address(address).version]} {address}"
            lines += [f"{node}.cbb.net. {record}", f"{node}. {record}"]
    for name, address in sorted(topo.names.items()):
        own = dashed(address)
        record = f"{kind[ipaddress.ip_address(address).version]} {address}"
        lines += [f"{own}.cbb.net. {record}", f"{name}. CNAME {own}.cbb.net."]
        origin = topo.nodeInfo(server).get("origin")
        if origin:
            lines += [f"_rtsp._tcp.{own}.cbb.net. SRV 10 0 554 {origin}.cbb.net.",
                      f"{own}.http.tcp.cbb.net. SRV 10 0 80 {origin}.cbb.net."]
        lines += [f"_cas._tcp.{own}.cbb.net. SRV 10 0 {CAS} {node}.cbb.net."
                  for node in topo.nodes() if topo.nodeInfo(node).get("allots")]
        for service in ("http", "rtsp"):
            lines.append(f"{own}.{service}.tcp.cbb.net. {record}")
    return "\n".join(lines) + "\n"

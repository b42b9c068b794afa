# SPDX-License-Identifier: GPL-2.0-or-later
"""
BIRD's configuration for a node, as a pure function of the topology.

A router speaks OSPF on the links inside its AS, and BGP if its AS has neighbours (interdomain.py).
BFD watches every link between routers, so that a dead link is noticed in half a second (or what the
topology's `bfd` makes of it) and not in the four of OSPF's.

An ARN speaks OSPF on its LAN, and exports one thing: the block of the interface that its daemon
holds, as an external route of type 1, whose metric grows with distance, so that every router picks
the nearest ARN. (External, not stub: routers then need no tick of BIRD's OSPF on the ARN itself to
learn of the withdrawal.) On a LAN with a floating next hop the route leads there: BIRD makes it the
forwarding address of OSPF, so the routers' routes are the same from whichever ARN they come. Where
each anycast address has a master of its own, the same filter exports single addresses.

A service node of an overlay speaks OSPF through its tunnels, with BFD, and carries one address: that of
the interface which its agent holds; tunnels to nodes that are attached later are taken as they come. Only routes to such addresses go into the kernel.
When an agent starts anew its tunnels are new, too, and the kernel has dropped their routes without a
word: BIRD looks after its routes there every 2 s, not every 60.
"""

from . import interdomain

OVERLAY = "10.77.0.0/16"
# Two that meet when the one is not ready yet say so again after `retransmit`: 5 s by default.
TIMES = "hello 1; dead 4; retransmit 2;"


def _bfd(topo):
    """A neighbour that is silent for five packets is dead; while there is none, hardly any are sent."""
    return f"""protocol bfd {{
	interface "*" {{
		min rx interval {topo.bfd} ms;
		min tx interval {topo.bfd} ms;
		idle tx interval {3 * topo.bfd} ms;
		multiplier 5;
	}};
}}
"""


def _head(topo, router_id, export, merge="yes"):
    return f"""log "/run/bird.log" all;
router id {router_id};
protocol device {{ scan time 10; }}
protocol direct connected {{ ipv4; }}
protocol kernel {{
	merge paths {merge};
	ipv4 {{
		import none;
		export filter {{
			if source = RTS_DEVICE then reject;
{export}			accept;
		}};
	}};
}}
{_bfd(topo)}"""


def _ospf_interface(name, params):
    role = params["role"]
    cost = params.get("cost", 10)
    if role == "stub":
        return f'\t\tinterface "{name}" {{ stub yes; cost {cost}; }};\n'
    kind = "ptp" if role == "internal" else "broadcast"
    return (f'\t\tinterface "{name}" {{ type {kind}; cost {cost}; {TIMES} wait 2; '
            f'rx buffer large; bfd yes; }};\n')


def _lan_has_speakers(topo, router, params):
    """Whether there is someone to speak OSPF with on that LAN of a router."""
    for arn in topo.nodes():
        info = topo.nodeInfo(arn)
        if info.get("gateway") and info["gateway"] == params["ip"].split("/")[0] \
                and getattr(info["cls"], "speaks_ospf", False):
            return True
    return False


def router(topo, name):
    """bird.conf of a router."""
    info = topo.nodeInfo(name)
    interfaces = topo.interfaces(name)
    # Two routes of BGP that are equally good are a choice, by router id, and not two ways: flows of one
    # client would reach different ARNs.
    merge = "no" if interdomain.is_spoken(topo, info["asn"]) else "yes"
    text = _head(topo, info["loopback"], f"\t\t\tkrt_prefsrc = {info['loopback']};\n", merge)

    ospf = '\t\tinterface "lo" { stub yes; };\n'
    for interface, params in interfaces:
        if params.get("role") in ("external", "exchange"):
            continue
        if params.get("role") == "lan" and not _lan_has_speakers(topo, name, params):
            params = {**params, "role": "stub"}
        ospf += _ospf_interface(interface, params)
    # Several ARNs' routes of one cost become one with several next hops.
    merge = any(topo.nodeInfo(n).get("active") == "all" for n in topo.hosts())
    text += f"""protocol ospf v2 interior {{
	ecmp yes; merge external {"yes" if merge else "no"};
	ipv4 {{ import all; export none; }};
	area 0 {{
{ospf}	}};
}}
"""
    return text + interdomain.router(topo, name)


def arn(topo, name, interface="anycast0"):
    """bird.conf of an ARN."""
    info = topo.nodeInfo(name)
    ospf = "".join(_ospf_interface(i, p) for i, p in topo.interfaces(name))
    next_hop = topo.next_hop(name)
    gateway = f"\t\tgw = {next_hop};\n" if next_hop else ""
    return _head(topo, info["address"], "") + f"""filter anycast_block {{
	if source = RTS_DEVICE && ifname = "{interface}" then {{
		ospf_metric1 = 10;
{gateway}		accept;
	}}
	reject;
}}
protocol ospf v2 interior {{
	ecmp yes;
	ipv4 {{ import all; export filter anycast_block; }};
	area 0 {{
{ospf}	}};
}}
"""


def overlay(topo, name):
    """bird.conf of a service node in an overlay."""
    tunnels = "".join(
        f'\t\tinterface "nc-{peer}" {{ type ptp; cost {cost}; {TIMES} bfd yes; }};\n'
        for peer, cost in topo.neighbours(name))
    attached = f'\t\tinterface "nc-*" {{ type ptp; cost 10; {TIMES} bfd yes; }};\n'
    return f"""log "/run/bird.log" all;
router id {topo.overlay_address(name)};
protocol device {{ scan time 10; }}
protocol kernel {{
	scan time 2;
	ipv4 {{ import none; export where net ~ {OVERLAY}; }};
}}
{_bfd(topo)}protocol ospf v2 overlay {{
	ipv4 {{ import where net ~ {OVERLAY}; export none; }};
	area 0 {{
		interface "nc-overlay" {{ stub yes; }};
{tunnels}{attached}	}};
}}
"""

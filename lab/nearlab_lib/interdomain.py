# SPDX-License-Identifier: GPL-2.0-or-later
"""
BGP between and inside autonomous systems: the part of a router's bird.conf that is about it.

Two ASes that are linked are customer and provider, or peers; policies follow from that alone, so
that they are written here once, for all topologies (Gao and Rexford, 2001):

    heard from   local preference   told to
    customer            200         customers, peers, providers
    peer                150         customers
    provider            100         customers

Who a route was heard from is its large community (AS, 1, what they are to us). Both ends of a session
say who they are, too (RFC 9234): two ends that disagree get no session, and a route that took a
forbidden way is dropped by whoever hears it.

An AS *originates* its own prefix, always, and the anycast blocks of which it is the master AS, while
OSPF has a route to them: that is, while one of its ARNs carries the block. An affiliate's OSPF has
such a route, too, which is no other AS's business. So BGP has a table of its own, `interdomain`, and
two things pass between it and the router's main table: what BGP learnt goes into the main one, where
OSPF's route to a block is the better one; and from there a block comes back in a master AS, and only
there. In an affiliate BGP goes on with the master AS's route as if there were no ARN: its customers
hear of the block, with the master AS at the end of the path, their packets come, and are captured.
"""

# What a neighbour is to us: (number in the community, local preference, RFC 9234's role of ours).
RELATIONS = {"customer": (1, 200, "provider"),
             "peer": (2, 150, "peer"),
             "provider": (3, 100, "customer")}
REVERSE = {"customer": "provider", "peer": "peer", "provider": "customer"}
TABLE = "interdomain"

TIMERS = """	connect delay time 1; connect retry time 2; error wait time 1, 2;
	hold time 30;
"""


def sessions(topo, name):
    """
    [{ip, peer, peer_ip, peer_as, relation}] of a router's sessions with other ASes: `relation` is what
    the peer's AS is to its own.
    """
    found = []
    for _, params in topo.interfaces(name):
        if params.get("role") == "external":
            found.append(params)
        elif params.get("role") == "exchange":
            found += params["sessions"]
    return found


def is_spoken(topo, asn):
    """Whether an AS has a neighbour: without one its routers need no BGP."""
    return any(sessions(topo, router) for router in topo.routers(asn))


def _blocks(system):
    """The anycast blocks that an AS is the master of, as a set of BIRD's; None: it is none."""
    return f"[{', '.join(system.originates)}]" if system.originates else None


def _policy(system):
    """What all sessions of an AS have in common."""
    number, blocks = system.number, _blocks(system)
    names = "".join(f"define {relation.upper()} = ({number}, 1, {mark});\n"
                    for relation, (mark, _, _) in RELATIONS.items())
    block = f"""	if source = RTS_OSPF_EXT1 && net ~ {blocks} then {{
		bgp_origin = ORIGIN_IGP;
		return true;
	}}
""" if blocks else ""
    return names + f"""
# Ours alone: our own prefix{', and our anycast block while an ARN of ours carries it' if blocks else ''}.
function originated()
{{
	if source = RTS_STATIC && net = {system.prefix} then return true;
{block}	return false;
}}

# Another AS's route: neither ours nor absurd, and marked with whom it was heard from.
function heard(lc relation; int localpref)
{{
	if net ~ [{system.prefix}+] || net.len < 8 || net.len > 24 then return false;
	if bgp_path.len > 32 then return false;
	bgp_large_community.delete([({number}, 1, *)]);
	bgp_large_community.add(relation);
	bgp_local_pref = localpref;
	return true;
}}

# To peers and providers: what is ours and our customers'; to customers: all.
function told_to_all()
{{
	return originated() || (source = RTS_BGP && CUSTOMER ~ bgp_large_community);
}}
function told_to_customers()
{{
	return originated() || source = RTS_BGP;
}}
"""


def _tables(system):
    """The table of BGP, what is originated there, and what passes between it and the main one."""
    blocks = _blocks(system)
    block = f"where source = RTS_OSPF_EXT1 && net ~ {blocks}" if blocks else "none"
    return f"""ipv4 table {TABLE};
protocol static own_prefix {{
	ipv4 {{ table {TABLE}; }};
	route {system.prefix} unreachable;
}}
protocol pipe {TABLE}_to_main {{
	table {TABLE};
	peer table master4;
	export where source = RTS_BGP || source = RTS_STATIC;
	import {block};
}}
"""


def external(asn, params):
    """A session with another AS, one of sessions()."""
    _, preferred, role = RELATIONS[params["relation"]]
    tell = "told_to_customers()" if params["relation"] == "customer" else "told_to_all()"
    return f"""protocol bgp ebgp_{params['peer']} {{
	local {params['ip'].split('/')[0]} as {asn};
	neighbor {params['peer_ip']} as {params['peer_as']};
	local role {role};
	require roles;
	direct;
	bfd on;
{TIMERS}	ipv4 {{
		table {TABLE};
		import where heard({params['relation'].upper()}, {preferred});
		import limit 1000 action restart;
		export where {tell};
	}};
}}
"""


def internal(topo, asn, loopback, peer):
    """A session with another router of the AS, loopback to loopback."""
    return f"""protocol bgp ibgp_{peer} {{
	local {loopback} as {asn};
	neighbor {topo.nodeInfo(peer)['loopback']} as {asn};
	multihop;
{TIMERS}	ipv4 {{
		table {TABLE};
		igp table master4;
		next hop self;
		import all;
		export where source = RTS_BGP || source = RTS_STATIC;
	}};
}}
"""


def router(topo, name):
    """All of BGP of a router; an empty text in an AS that has no neighbours."""
    info = topo.nodeInfo(name)
    asn = info["asn"]
    if not is_spoken(topo, asn):
        return ""
    system = topo.systems[asn]
    text = _policy(system) + _tables(system)
    for params in sessions(topo, name):
        text += external(asn, params)
    for peer in topo.routers(asn):
        if peer != name:
            text += internal(topo, asn, info["loopback"], peer)
    return text

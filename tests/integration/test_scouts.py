# SPDX-License-Identifier: GPL-2.0-or-later
"""How an ARN finds nodes elsewhere, with real daemons: by asking nodes for their neighbours (row H6), and
in a directory in the DNS (row H7); with IPv4 and with IPv6. The network is that of test_wide."""

import signal

import near_testlib as near
from conftest import SOURCE, wait_until
from knot_server import Knot
from test_wide import both_families, eligible, far
from test_wide import site  # pylint: disable=unused-import

SANJOSE = "sanjose.california.pacificcoast.usa.northamerica"
ZONE = SOURCE / "docs" / "examples" / "directory.zone"


def distances(arn):
    return {n: v["distance"] for n, v in far(arn).items() if n and v["state"] == "live"}


def real_node(site, number, *neighbours):
    """An sn-agent in the west that has these for its neighbours."""
    upstreams = "".join(
        f'upstream "sn{n}" {{ address = "{near.bracketed(site.at(4, n))}" }}\n' for n in neighbours
    )
    options = (
        f'name = "sn{number}"\naddress = "{site.at(4, number)}"\ninterface = "west0"\n'
        f'key-file = "{near.key_file(site.folder)}"\nprime {{ port = 7702 }}\n'
    )
    return near.Daemon(
        site.west, site.program("sn-agent"), site.folder, f"sn{number}", options + upstreams
    )


@both_families
def test_nodes_are_found_by_asking_others_for_their_neighbours(site):
    """H6: hop by hop, as far as is wanted; who is gone is forgotten, and another one is found."""
    nodes = {
        41: real_node(site, 41, 42),
        42: real_node(site, 42, 41, 43),
        43: real_node(site, 43, 42, 44),
    }
    arn = site.begin([site.at(4, 41)], method="crawl", warm=1)
    # With one that is kept warm two are wanted: the third is not even known.
    wait_until(lambda: eligible(arn) == {"sn41"}, "one is eligible")
    wait_until(lambda: distances(arn) == {"sn41": 1, "sn42": 2}, "the nearest two are known")
    # Home is full: all are wanted; 44 is named as well, and is not there.
    site.say_home(1, arn)
    for number in nodes:
        nodes[number].ask("drain")
    wait_until(lambda: distances(arn) == {"sn41": 1, "sn42": 2, "sn43": 3}, "all of them")
    wait_until(lambda: eligible(arn) == {"sn41", "sn42", "sn43"}, "all are eligible")
    nodes[43].send_signal(signal.SIGKILL)
    wait_until(lambda: "sn43" not in eligible(arn), "it does not answer")


@both_families
def test_nodes_are_found_in_a_directory_in_the_dns(site, tmp_path):
    """H7: the nearest place first, as far as is wanted; and without name servers by what is known."""
    dns, text = "127.0.0.53", ZONE.read_text()
    if site.six:
        dns, text = "::1", text.replace(" A 10.4.0.", " AAAA 2001:db8:4::")
    knot = Knot(site.host, tmp_path, dns, {})
    knot.kill()
    (knot.folder / "dir.cbb.net.zone").write_text(text)
    with knot.conf.open("a") as conf:
        conf.write("  - domain: dir.cbb.net\n")
    knot.start()
    for name, host, place in (
        ("sn1", site.at(4, 41), SANJOSE),
        ("sn2", site.at(4, 42), "seattle.washington.pacificcoast.usa.northamerica"),
        ("sn3", site.at(4, 43), "orlando.florida.atlanticcoast.usa.northamerica"),
    ):
        site.far_node(name, host, place=place, max_sessions=10)
    arn = site.begin(
        [],
        method="names",
        warm=1,
        more=f'directory = "dir.cbb.net" }} place = "{SANJOSE}" naming {{ servers = "{dns}" timeout = 200',
    )
    wait_until(lambda: eligible(arn) == {"sn1"}, "one is eligible")
    wait_until(lambda: distances(arn) == {"sn1": 1, "sn2": 3}, "the nearest two are known")
    site.say_home(1, arn)
    for node in site.far:
        node.load(10)
    wait_until(lambda: distances(arn) == {"sn1": 1, "sn2": 3, "sn3": 4}, "all of them")
    wait_until(lambda: eligible(arn) == {"sn1", "sn2", "sn3"}, "all are eligible")
    knot.kill()
    asked = site.far[2].asked
    wait_until(lambda: site.far[2].asked > asked + 3, "nodes are asked as before")
    assert eligible(arn) == {"sn1", "sn2", "sn3"}

# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients are sent to the nodes nearest to themselves (row H9), by the prefixes that are configured."""

import near_testlib as near
import pytest
from conftest import wait_until
from test_arn import ANYCAST, Site, keep_announcing, usable, wait_up

OFFICE, ELSEWHERE = "10.9.0.2", "10.9.0.130"
ROME, SANJOSE = "10.2.0.6", "10.2.0.7"


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Site(namespaces, link, program, tmp_path)
    near.address(made.client, "up0", f"{ELSEWHERE}/24")
    made.route_statically()
    yield made
    made.close()


def sent_to(site, source):
    """The host that a client with this address is redirected to."""
    request = f"DESCRIBE rtsp://{ANYCAST}/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    with near.connect(site.client, ANYCAST, 554, source=source) as s:
        s.sendall(request.encode())
        status, headers = near.read_head(s)
    assert status == 302
    return headers["location"].split("/")[2]


def test_a_client_is_sent_to_the_nodes_of_its_region(site, tmp_path):
    """H9: by sections and a file, the longest prefix; a reload takes the file over, or refuses it."""
    file = tmp_path / "regions"
    file.write_text(f"# who is where\n10.9.0.0/24 rome.italy\n{ELSEWHERE}/32 sanjose.usa\n")
    arn = site.arn(
        "probe { interval = 0 }\n"
        f'regions {{ file = "{file}" }}\n'
        'region "tests" { place = "rome.italy" prefixes = {"192.0.2.0/24", "198.51.100.0/24"} }\n'
    )
    nodes = [
        site.node("sn1", ROME, interval=600000, place="rome.italy"),
        site.node("sn2", SANJOSE, interval=600000, place="sanjose.usa"),
    ]
    for k, node in enumerate(nodes, 1):
        keep_announcing(node, lambda k=k: usable(arn) == k, "the node is known")
    wait_up(arn)

    assert sent_to(site, OFFICE) == ROME
    assert sent_to(site, ELSEWHERE) == SANJOSE
    said = arn.ask(f"explain rtsp://{ANYCAST}/news {ELSEWHERE}")
    assert (said["region"], said["chosen"]) == ("sanjose.usa", "sn2")
    assert [n["levels"] for n in said["nodes"]] == [0, 2]
    said = arn.ask(f"explain rtsp://{ANYCAST}/news 198.51.100.7")
    assert (said["region"], said["chosen"]) == ("rome.italy", "sn1")
    assert arn.ask(f"explain rtsp://{ANYCAST}/news 203.0.113.7")["region"] is None

    # Who is drained or full is not in the group: the next nearest one is.
    nodes[1].fields[6] = True
    keep_announcing(nodes[1], lambda: usable(arn) == 1, "the node is draining")
    assert sent_to(site, ELSEWHERE) == ROME
    nodes[1].fields[6] = False
    keep_announcing(nodes[1], lambda: usable(arn) == 2, "the node is back")

    file.write_text("10.9.0.0/24 sanjose.usa\n")
    arn.ask("reload")
    wait_until(lambda: sent_to(site, OFFICE) == SANJOSE, "the other region")
    file.write_text("10.9.0.0/24 rome.italy\n10.9.0.1/24 rome.italy\n")
    code, body = near.request(arn.control, "reload")
    assert code == 500 and f"{file}:2: expected a prefix without host bits" in body["error"]
    assert sent_to(site, OFFICE) == SANJOSE

# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 6 by name: what the lab's name server says, and what its death does (rows D1, D2)."""

import pytest
from lab_tools import in_node, nearlab, run_scenario


ASK = """
import socket
s = socket.create_connection(("acme.com", 554), 5)
s.sendall(b"DESCRIBE rtsp://acme.com/none RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n")
print(s.recv(4096).decode())
"""


@pytest.fixture(scope="module")
def lab():
    """Name of a figure 6."""
    nearlab("up", "fig6", "--detach", "--name", "naming")
    yield "naming"
    nearlab("down", "--name", "naming")


def test_d2_clients_resolve_the_friendly_name_which_is_an_alias(lab):
    hosts = in_node(lab, "c802", "cat", "/etc/hosts").stdout
    assert "acme.com" not in hosts
    names = in_node(lab, "c802", "getent", "ahostsv4", "acme.com").stdout.split()
    assert names[0] == "10.1.18.27"
    assert "anycast-10-1-18-27.cbb.net" in names  # what acme.com is an alias of
    patents = in_node(lab, "c802", "getent", "hosts", "anycast-10-1-18-27.http.tcp.cbb.net").stdout
    assert patents.split()[0] == "10.1.18.27"
    assert in_node(lab, "c802", "getent", "hosts", "no.acme.com", check=False).returncode != 0


def test_d2_a_redirection_by_the_friendly_name(lab):
    answer = in_node(lab, "c802", "/usr/bin/python3", "-c", ASK).stdout
    assert "302" in answer.splitlines()[0] and "Location: rtsp://10.2.0." in answer


def test_d1_the_name_server_dies_and_then_a_node(lab, tmp_path, record_property):
    code, report = run_scenario(lab, "fig6", "dns-dies", tmp_path, "--seed", 21)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0, report

# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens (row E4) and circles, with the real daemons: an ARN that issues tokens and a node that demands
them; players with good, bad and no tokens; clients whose packets for a node end at the ARN."""

import pytest

import near_testlib as near
from conftest import wait_until
from sn_testlib import Player, Publisher, Rtsp
from test_arn import ANYCAST, Site, wait_up

TOKEN = "access { token = \"required\" }\n"


class Access(Site):
    def agent(self, more=TOKEN):
        options = (
            'name = "sn806"\naddress = "10.2.0.6"\ninterface = "lan0"\n'
            f'key-file = "{near.key_file(self.folder)}"\nrtsp {{ publishers = "10.2.0.0/24" }}\n'
        )
        return near.Daemon(self.lan, self.program("sn-agent"), self.folder, "sn806", options + more)

    def start(self, arn="token { issue = yes }\n", node=TOKEN):
        agent, daemon = self.agent(node), self.arn(arn)
        self.route_statically()
        self.route_statically("10.2.0.0/24")
        wait_until(lambda: daemon.ask("show nodes")["nodes"], "the node is known")
        wait_up(daemon)
        wait_until(lambda: self.location()[0] == 302, "it is used")
        return agent, daemon

    def location(self, path="/news", headers=""):
        request = f"DESCRIBE rtsp://{ANYCAST}{path} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n"
        status, found = near.exchange(self.client, ANYCAST, 554, request.encode())
        return status, found.get("location", "")

    def token(self, path="/news"):
        """The path and query of a redirection."""
        status, location = self.location(path)
        assert status == 302 and "nc=" in location
        return location.removeprefix("rtsp://10.2.0.6")

    def describe(self, target):
        rtsp = near.socket_in(self.client, Rtsp, "10.2.0.6")
        answer = rtsp.ask("DESCRIBE", target)
        rtsp.close()
        return answer.status, answer.get("Nearcast-Token")


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Access(namespaces, link, program, tmp_path)
    yield made
    made.close()


def test_node_serves_whom_an_arn_has_sent_and_says_why_it_refuses_others(site):
    agent, _ = site.start()
    source = near.socket_in(site.lan, lambda: Publisher("10.2.0.6"))
    good = site.token()
    player = near.socket_in(site.client, lambda: Player("10.2.0.6", good))
    assert player.describe().status == 200
    player.path = "/news"  # as players do, whose SETUPs follow Content-Base
    player.play()
    wait_until(lambda: source.send(1) and player.numbers(), "it plays")
    value = good.split("nc=")[1]
    other = site.token("/sports").split("nc=")[1]
    flipped = value[:-1] + ("A" if value[-1] != "A" else "Q")
    for target, why in (
        ("/news", "missing"),
        ("/news?nc=", "missing"),
        ("/news?nc=abc", "malformed"),
        (f"/news?nc={flipped[:30]}{'A' if flipped[30] != 'A' else 'B'}{flipped[31:]}", "forged"),
        (f"/news?nc={other}", "other_channel"),
    ):
        assert site.describe(target) == (403, why), target
    assert site.describe(f"/news?a=1&nc={value}") == (200, None)
    shown = agent.ask("show sessions")["sessions"]
    identity = [s["identity"] for s in shown if s["role"] == "player"]
    assert len(identity) == 1 and len(identity[0]) == 16
    assert agent.events("session_start")[-1]["identity"] == identity[0]
    player.close()
    source.close()


def test_token_expires_but_its_session_goes_on_and_can_be_resumed(site):
    agent, _ = site.start(arn="token { issue = yes lifetime = 1000 }\ndiscovery { skew = 1000 }\n")
    source = near.socket_in(site.lan, lambda: Publisher("10.2.0.6"))
    old = site.token()
    player = near.socket_in(site.client, lambda: Player("10.2.0.6", old))
    assert player.describe().status == 200
    player.play()
    # The node allows clocks to differ by 10 s.
    wait_until(lambda: site.describe(old) == (403, "expired"), "it has expired", 20, 0.5)
    wait_until(lambda: source.send(1) and player.numbers(), "it plays on")
    player.wait(source.send(10))
    status, again = site.location(old, "Nearcast-Avoid: 10.2.0.6\r\n")
    assert status == 302 and again.count("nc=") == 1 and again.split("nc=")[1] not in old
    second = near.socket_in(
        site.client, lambda: Player("10.2.0.6", again.removeprefix("rtsp://10.2.0.6")))
    assert second.describe().status == 200
    second.play()
    identities = [s["identity"] for s in agent.ask("show sessions")["sessions"]
                  if s["role"] == "player"]
    assert len(identities) == 2 and len(set(identities)) == 1
    for one in (player, second, source):
        one.close()


def test_optional_tokens_let_in_who_has_none_and_trusted_hosts_need_none(site):
    agent, _ = site.start(node='access { token = "optional" trusted = "10.2.0.0/24" }\n')
    source = near.socket_in(site.lan, lambda: Publisher("10.2.0.6"))
    assert site.describe("/news") == (200, None)
    assert site.describe("/news?nc=abc") == (403, "malformed")
    agent.conf.write_text(agent.conf.read_text().replace('"optional"', '"required"'))
    assert agent.ask("reload") is not None
    assert site.describe("/news") == (403, "missing")
    near_by = near.socket_in(site.lan, Rtsp, "10.2.0.6")
    assert near_by.ask("DESCRIBE", "/news").status == 200
    near_by.close()
    source.close()


def test_clients_sent_in_circles_are_told(site):
    """The packets for the node end at the ARN: whoever follows comes back, with the node as its host."""
    site.start(arn="", node='rtsp { port = 8554 }\nhttp { port = 8080 }\n')
    for proto, port, code in (("http", 80, "508"), ("rtsp", 554, "482")):
        url = f"{proto}://{ANYCAST}/news"
        seen = []
        for _ in range(12):
            host = url.split("/")[2]
            path = "/" + url.split("/", 3)[3]
            if proto == "http":
                text = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            else:
                text = f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n"
            status, headers = near.exchange(site.client, ANYCAST, port, text.encode())
            seen.append(status)
            if status >= 400:
                break
            url = headers["location"]
        assert str(seen[-1]) == code and 3 <= len(seen) <= 9, seen

# SPDX-License-Identifier: GPL-2.0-or-later
"""The ARN asks the services of its nodes itself (row C4): an agent that is alive beside a service
that is not gets no clients, who has failed is in quarantine for a while, and nobody is ever taken
away for it when there is nobody better. Reports of clients (Nearcast-Avoid) are hearsay (row C5).
"""

import threading

import pytest

import near_testlib as near
from conftest import wait_until
from test_arn import ANYCAST, MARGIN, Site, describe, keep_announcing, wait_up

PROBES = """
probe {{ interval = 400 timeout = 400 rise = 2 fall = 2 quarantine = {quarantine}
	quarantine-max = {longest} }}
"""


class Cluster(Site):
    """Two nodes: their agents are heard, their services do as they are told."""

    def __init__(self, *args):
        super().__init__(*args)
        near.address(self.lan, "lan0", "10.2.0.8/24", "2001:db8:2::8/64")
        self.services = {}

    def begin(self, quarantine=1000, longest=4000, http=False, extra="", probes=PROBES):
        port = 80 if http else 554
        for name, host in (("n1", "10.2.0.6"), ("n2", "10.2.0.8")):
            self.services[name] = near.Service(self.lan, host, port, http)
        arn = self.arn(probes.format(quarantine=quarantine, longest=longest) + extra)
        self.route_statically()
        for name, service in self.services.items():
            ports = {"rtsp_port": 0, "http_port": port} if http else {}
            # One announcement is good for the whole test.
            node = self.node(name, service.place[0], interval=30000, **ports)
            keep_announcing(node, lambda n=name: verdict(arn, n, http) == "works", f"{name} works")
        wait_up(arn)
        return arn

    def close(self):
        for service in self.services.values():
            service.close()
        super().close()


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Cluster(namespaces, link, program, tmp_path)
    yield made
    made.close()


def node_of(arn, name):
    found = [n for n in arn.ask("show nodes")["nodes"] if n["node"] == name]
    return found[0] if found else {}


def verdict(arn, name, http=False):
    return node_of(arn, name).get("http" if http else "rtsp")


def chosen(arn, clients=24, scheme="rtsp"):
    """The nodes that clients of different addresses are sent to."""
    return {
        arn.ask(f"explain {scheme}://{ANYCAST}/news 10.9.0.{i}")["chosen"]
        for i in range(2, 2 + clients)
    }


def break_service(service, how):
    if how == "dead":
        service.close()
    else:
        service.behaviour = how


def mend_service(service, how):
    if how == "dead":
        service.open()
    else:
        service.behaviour = "serve"


REASONS = {
    "dead": "refuses connections",
    "hang": "does not answer",
    "error": "answers with an error",
    "nonsense": "answers in another protocol",
}


@pytest.mark.parametrize("how", sorted(REASONS))
def test_node_whose_agent_is_alive_and_whose_service_is_not_gets_no_clients(site, how):
    arn = site.begin()
    assert chosen(arn) == {"n1", "n2"}
    break_service(site.services["n1"], how)
    wait_until(lambda: verdict(arn, "n1") == "broken", f"n1 is found {how}", 1.6 + MARGIN)
    assert node_of(arn, "n1")["state"] == "broken"
    assert REASONS[how] in node_of(arn, "n1")["trouble"]
    assert chosen(arn) == {"n2"}
    assert describe(site.client)[1]["location"] == "rtsp://10.2.0.8/news"
    down = arn.events("service-down")[-1]
    assert (down["node"], down["service"], down["reason"]) == ("n1", "rtsp", REASONS[how])
    assert arn.events("node-down")[-1]["reason"] == "service broken"

    # Back: first in quarantine, behind the other, then as before.
    mend_service(site.services["n1"], how)
    wait_until(lambda: verdict(arn, "n1") == "quarantined", "n1 answers", 1.6 + MARGIN, 0.01)
    assert node_of(arn, "n1")["quarantine_s"] <= 1.0
    wait_until(lambda: verdict(arn, "n1") == "works", "the quarantine is over", 1 + MARGIN)
    assert chosen(arn) == {"n1", "n2"}
    up = [e for e in arn.events("service-up") if e["node"] == "n1"][-1]
    held = [e for e in arn.events("service-quarantined") if e["node"] == "n1"][-1]
    assert up["t"] - held["t"] >= 1.0 and held["strikes"] == 1
    assert arn.events("node-up")[-1]["reason"] == "service works"


def test_broken_and_quarantined_nodes_are_used_when_there_is_nobody_better(site):
    """Fail open: the verdict on all at once is more likely wrong than all of them."""
    arn = site.begin(quarantine=30000, longest=30000)
    for service in site.services.values():
        service.close()
    wait_until(lambda: {verdict(arn, n) for n in site.services} == {"broken"}, "both are broken")
    assert chosen(arn) == {"n1", "n2"}
    assert describe(site.client)[0] == 302
    site.services["n1"].open()
    wait_until(lambda: verdict(arn, "n1") == "quarantined", "n1 answers again")
    assert chosen(arn) == {"n1"}  # behind one that works, before one that does not


def test_flapping_service_is_in_quarantine_for_longer_each_time(site):
    arn = site.begin(quarantine=500, longest=60000)
    for strikes in range(1, 4):
        site.services["n1"].behaviour = "error"
        wait_until(lambda: verdict(arn, "n1") == "broken", "n1 is broken")
        site.services["n1"].behaviour = "serve"
        wait_until(lambda: verdict(arn, "n1") == "quarantined", "n1 answers", interval=0.01)
    held = [e for e in arn.events("service-quarantined") if e["node"] == "n1"]
    assert [e["strikes"] for e in held] == [1, 2, 3]
    assert [round(e["seconds"], 1) for e in held] == [0.5, 1.0, 2.0]
    assert chosen(arn) == {"n2"}


def test_slow_service_counts_as_loaded_by_its_delay(site):
    arn = site.begin()
    site.services["n1"].delay = 0.25
    wait_until(lambda: node_of(arn, "n1")["rtsp_ms"] > 150, "the delay is measured")
    assert verdict(arn, "n1") == "works"
    assert chosen(arn) == {"n2"}
    said = arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")["nodes"]
    load = {n["node"]: n["load"] for n in said}
    assert load["n1"] - load["n2"] > 0.08
    # When the other is more loaded than that, the slow one gets clients.
    other = site.node("n2", "10.2.0.8", sessions=600, interval=30000)
    keep_announcing(other, lambda: "n1" in chosen(arn, 2), "n1 is used again")


def test_web_server_is_asked_by_http_and_judged_apart(site):
    arn = site.begin(http=True, extra='http { port = 80 }\n')
    assert chosen(arn, 24, "http") == {"n1", "n2"}
    site.services["n1"].close()
    wait_until(lambda: verdict(arn, "n1", True) == "broken", "n1's web server is broken")
    assert chosen(arn, 24, "http") == {"n2"}
    assert node_of(arn, "n1")["rtsp"] == "unwatched"


def test_service_of_ipv6_is_asked_alike(site):
    service = site.services["n6"] = near.Service(site.lan, "2001:db8:2::8")
    arn = site.arn(PROBES.format(quarantine=500, longest=4000))
    node = site.node("n6", "2001:db8:2::8", interval=30000)
    keep_announcing(node, lambda: verdict(arn, "n6") == "works", "it works")
    service.close()
    wait_until(lambda: verdict(arn, "n6") == "broken", "it is broken")


def report(site, arn, names, source="10.9.0.2"):
    """A client's request that says whom it avoids; the answer."""
    request = (
        f"DESCRIBE rtsp://{ANYCAST}/news RTSP/1.0\r\nCSeq: 1\r\n"
        f"Nearcast-Avoid: {names}\r\n\r\n"
    )
    with near.connect(site.client, ANYCAST, 554, source=source) as s:
        s.sendall(request.encode())
        return near.read_head(s)


RARE = PROBES.replace("interval = 400", "interval = 4000")


def test_report_of_a_client_has_the_service_asked_at_once_and_harms_none_that_answers(site):
    """A stranger's word removes nobody (C5), however often and from however many he says it."""
    arn = site.begin(probes=RARE)
    asked = site.services["n1"].asked
    before = len(asked)
    for i in range(3, 9):
        near.address(site.client, "up0", f"10.9.0.{i}/24")
    for i in range(60):
        status, headers = report(site, arn, "n1, nobody", f"10.9.0.{2 + i % 7}")
        assert (status, headers["location"]) == (302, "rtsp://10.2.0.8/news")
    wait_until(lambda: len(asked) > before, "n1 is asked")
    assert asked[before] - asked[before - 1] < 0.9 * 4
    assert len(asked) - before <= 2
    assert node_of(arn, "n1")["reports"] == 60
    assert verdict(arn, "n1") == "works" and "n1" in chosen(arn)
    assert not arn.events("service-down")
    assert arn.ask("show counters")["nearcast_arn_node_reports_total"] == 60


def test_three_clients_that_agree_make_one_failure_enough(site):
    arn = site.begin(probes=RARE)
    for i in (3, 4):
        near.address(site.client, "up0", f"10.9.0.{i}/24")
    site.services["n1"].behaviour = "error"
    before = len(site.services["n1"].asked)
    for i in (2, 3, 4):
        report(site, arn, "10.2.0.6", f"10.9.0.{i}")
    wait_until(lambda: verdict(arn, "n1") == "broken", "n1 is broken")
    assert len(site.services["n1"].asked) == before + 1


def test_reload_switches_probes_off_and_all_are_used_again(site):
    arn = site.begin()
    site.services["n1"].close()
    wait_until(lambda: chosen(arn) == {"n2"}, "n1 is broken")
    arn.conf.write_text(arn.conf.read_text().replace("interval = 400", "interval = 0"))
    arn.ask("reload")
    wait_until(lambda: chosen(arn) == {"n1", "n2"}, "nobody is asked any more")
    assert node_of(arn, "n1")["state"] == "up"


def test_wrong_probe_options_are_told_with_their_lines(site, tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text(
        'name = "a"\nanycast { block = "10.1.18.0/24" }\nnode "n" { address = "10.2.0.1" }\n'
        "probe {\ninterval = 50\ntimeout = 1\nfall = 0\npath = \"x y\"\n"
        "quarantine = 9000\nquarantine-max = 1000\n}\n"
    )
    done = site.host.run(site.program("arn"), "--check", "-c", conf, check=False)
    assert done.returncode == 78
    for line, what in [(5, "interval"), (6, "timeout"), (7, "fall"), (8, "path")]:
        assert f"{conf}:{line}: " in done.stderr and what in done.stderr, done.stderr
    assert "longer than quarantine-max" in done.stderr or "probe" in done.stderr

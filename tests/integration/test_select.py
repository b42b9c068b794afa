# SPDX-License-Identifier: GPL-2.0-or-later
"""Selection with real daemons (rows C4, A8): a crowd comes through the anycast address to eight
service nodes of unequal capacity and none is sent more than it has room for; a channel's clients go
where it is carried; `nearctl explain` says why.

    client ---- router ---- arn host (arn) ---- LAN: origin, eight sn-agents
"""

import json
import subprocess
import sys

import pytest

import near_testlib as near
from conftest import SOURCE, wait_until
from sn_testlib import Player, Publisher
from test_arn import ANYCAST, Site, wait_up

CAPACITY = [5, 10, 15, 20, 30, 40, 60, 70]  # 250 sessions
ROOM = sum(CAPACITY)


class Crowd(Site):
    """Eight nodes on the LAN, which fetch what they are asked for from an origin beside them."""

    def __init__(self, *args):
        super().__init__(*args)
        self.nodes, self.publisher = [], None

    def begin(self, capacities, select, kind="sessions"):
        near.address(self.lan, "lan0", "10.2.0.10/24", *(f"10.2.0.{11 + i}/24" for i in range(8)))
        arn = self.arn(select, connections=1000, request_timeout=5000)
        self.route_statically()
        self.route_statically("10.2.0.0/24")
        origin = self.agent("origin", "10.2.0.10", 'rtsp { publishers = "10.2.0.0/24" }\n')
        self.publisher = near.socket_in(self.lan, lambda: Publisher("10.2.0.10"))
        for i, capacity in enumerate(capacities):
            self.nodes.append(self.agent(f"sn{i}", f"10.2.0.{11 + i}", (
                f'interface = "lan0"\nkey-file = "{near.key_file(self.folder)}"\n'
                f"capacity {{ {kind} = {capacity} }}\n"
                'upstream "origin" { address = "10.2.0.10" }\n')))
        for node in self.nodes:
            wait_until(lambda n=node: n.ask("show upstreams")["upstreams"][0]["up"],
                       f"{node.name} reaches the origin")
        wait_until(lambda: len(known(arn)) == len(capacities), "the ARN knows all nodes")
        wait_up(arn)
        assert origin.ask("show channels")["channels"]
        return arn

    def agent(self, name, host, more):
        options = f'name = "{name}"\naddress = "{host}"\n{more}'
        return near.Daemon(self.lan, self.program("sn-agent"), self.folder, name, options)

    def close(self):
        if self.publisher:
            self.publisher.close()
        super().close()


@pytest.fixture
def crowd(namespaces, link, program, tmp_path):
    made = Crowd(namespaces, link, program, tmp_path)
    yield made
    made.close()


def known(arn):
    return {n["node"]: n for n in arn.ask("show nodes")["nodes"] if n["state"] == "up"}


class Clients:
    """Clients in the client's namespace, as the lab's crowd has them (lab/nearlab_lib/crowd.py);
    their sessions stay until close()."""

    def __init__(self, space):
        self.space = space
        self.processes = []

    def run(self, count, seconds, *options):
        """What each of them was told: [{client, code, host, attached}]."""
        process = self.space.start(
            sys.executable, "-B", SOURCE / "lab/nearlab_lib/crowd.py", f"rtsp://{ANYCAST}/news",
            count, seconds, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        done = [json.loads(process.stdout.readline()) for _ in range(count + 1)]
        assert done.pop() == {"done": count}
        assert not [d for d in done if "error" in d]
        return sorted(done, key=lambda d: d["client"])

    def close(self):
        for process in self.processes:
            process.stdin.close()
            process.stdout.close()
            assert process.wait(10) == 0


@pytest.mark.parametrize("policy", ["least-loaded", "two-choices"])
def test_crowd_takes_no_node_past_its_capacity_and_fills_them_all(crowd, policy):
    arn = crowd.begin(CAPACITY, f'select {{ policy = "{policy}" per-client = 1000 }}\n')
    clients = Clients(crowd.client)
    first = clients.run(ROOM - 10, 1.0, "--fail", 10)
    came = [c for c in first if c["client"] % 10]
    assert {c["code"] for c in first} == {302}, "nobody is refused"
    assert {c["attached"] for c in came} == {200}
    # Those who never came are forgotten, and others get their places.
    wait_until(lambda: all(n["reserved"] == 0 for n in known(arn).values()), "reservations expired")
    wait_until(lambda: sum(n["sessions"] for n in known(arn).values()) == len(came),
               "all sessions are announced")
    second = clients.run(ROOM, 0.5)
    assert [c["code"] for c in second].count(503) == len(came), "one for each who has a place"
    assert {c["attached"] for c in second if c["code"] != 503} == {200}
    for node, capacity in zip(crowd.nodes, CAPACITY):
        assert node.ask("show status")["sessions"] == capacity
        assert node.ask("show counters")["refused_capacity_total"] == 0, "it was never asked too much"
    wait_until(lambda: sum(n["sessions"] for n in known(arn).values()) == ROOM, "the ARN has heard it")
    said = arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")
    assert said["status"] == 503 and said["why"] == "all service nodes are full"
    assert all(n["excluded"] == "full" for n in said["nodes"])
    clients.close()


def test_redirection_counts_until_the_client_attaches_or_does_not(crowd):
    arn = crowd.begin([10, 10], "select { reservation = 1500 }\n")
    clients = Clients(crowd.client)
    clients.run(4, 0.1, "--fail", 1)
    nodes = {n["node"]: n for n in arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")["nodes"]}
    assert sum(n["reserved"] for n in nodes.values()) == 4
    assert all(n["load"] == pytest.approx(n["reserved"] / 10) for n in nodes.values())
    wait_until(lambda: all(n["reserved"] == 0 for n in known(arn).values()), "they expired")
    assert arn.ask("show counters")["nearcast_arn_reservations_expired_total"] == 4
    clients.run(4, 0.1)
    wait_until(lambda: sum(n["sessions"] for n in known(arn).values()) == 4, "they are announced")
    assert sum(n["reserved"] for n in known(arn).values()) == 0, "and consumed, long before they expire"
    assert arn.ask("show counters")["nearcast_arn_reservations_expired_total"] == 4
    clients.close()


def test_one_who_asks_and_never_attaches_keeps_nobody_out(crowd):
    arn = crowd.begin([10, 10], "select { per-client = 5 reservation = 10000 }\n")
    near.address(crowd.client, "up0", "10.9.0.77/24")
    clients = Clients(crowd.client)
    told = clients.run(60, 0.5, "--fail", 1)
    assert {c["code"] for c in told} == {302}
    # Two windows of time may have begun meanwhile.
    assert sum(n["reserved"] for n in known(arn).values()) in range(5, 11)
    assert {c["attached"] for c in clients.run(5, 0.1, "--source", "10.9.0.77")} == {200}
    clients.close()


def test_clients_of_a_channel_go_where_it_is_carried(crowd):
    arn = crowd.begin([100, 100, 100], 'select { policy = "channel-affinity" }\n')
    crowd.publisher.send(20)
    chosen = arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")
    assert chosen["policy"] == "channel-affinity" and chosen["path"] == "/news"
    assert "nobody carries it" in chosen["by"]
    # The one that nobody would have been sent to.
    last = chosen["nodes"][-1]
    player = near.socket_in(crowd.client, lambda: Player(last["address"], tcp=True).play())
    wait_until(lambda: known(arn)[last["node"]]["channels"] == 1, "the channel is announced")
    for client in range(2, 30):
        said = arn.ask(f"explain rtsp://{ANYCAST}/news/trackID=0 10.9.0.{client}")
        assert said["chosen"] == last["node"] and said["by"] == "carries the channel"
        assert [n["node"] for n in said["nodes"] if n["carries"]] == [last["node"]]
    # Another channel goes its own way, and a reload another policy's.
    assert "nobody carries it" in arn.ask(f"explain rtsp://{ANYCAST}/sport 10.9.0.2")["by"]
    arn.conf.write_text(arn.conf.read_text().replace("channel-affinity", "weighted"))
    assert arn.ask("reload") == {"reloaded": True}
    assert arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")["policy"] == "weighted"
    player.close()


def test_policy_that_there_is_not_is_named_with_its_line(site_conf, program):
    for option in ('select { policy = "fastest" }', 'rtsp { policy = "fastest" }',
                   "select { bound = 1001 }", "select { reservation = 10 }"):
        done = site_conf(option)
        assert done.returncode == 78 and ":5:" in done.stderr, done.stderr


@pytest.fixture
def site_conf(program, tmp_path):
    def check(option):
        conf = tmp_path / "arn.conf"
        conf.write_text('name = "a"\ncontrol = "/tmp/a.sock"\nanycast { block = "10.1.18.0/24" }\n'
                        'node "n" { address = "10.2.0.6" }\n' + option + "\n")
        return subprocess.run([program("arn"), "-c", str(conf), "--check"], capture_output=True,
                              text=True, timeout=10, check=False)

    return check

# SPDX-License-Identifier: GPL-2.0-or-later
"""Selection with real daemons (rows C4, A8): a crowd comes through the anycast address to eight
service nodes of unequal capacity and none is sent more than it has room for; a channel's clients go
where it is carried; `nearctl explain` says why.

    client ---- router ---- arn host (arn) ---- LAN: origin, eight sn-agents
"""

import asyncio
import random
import re
import threading

import pytest

import near_testlib as near
from conftest import wait_until
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
    """Clients in one thread of the client's namespace. Each asks the anycast address, waits a while
    and attaches (or never does); sessions stay until close()."""

    def __init__(self, space):
        self.space = space
        self.writers = []
        self.told = {}  # client: node's address, or the status
        self.attached = {}
        self.source = None
        self.loop = near.socket_in(space, asyncio.new_event_loop)

    async def _answer(self, reader):
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode()
        length = re.search(r"(?i)^content-length: *(\d+)", head, re.M)
        if length and int(length[1]):
            await reader.readexactly(int(length[1]))
        return int(head.split()[1]), head

    async def _client(self, i, at, never):
        await asyncio.sleep(at)
        reader, writer = await asyncio.open_connection(ANYCAST, 554, local_addr=self.source)
        writer.write(f"DESCRIBE rtsp://{ANYCAST}/news RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        status, head = await self._answer(reader)
        writer.close()
        if status != 302:
            assert "Retry-After: " in head
            self.told[i] = status
            return
        host = re.search(r"Location: rtsp://([^/:]+)", head)[1]
        self.told[i] = host
        if never:
            return
        await asyncio.sleep(random.uniform(0.05, 0.5))
        reader, writer = await asyncio.open_connection(host, 554, local_addr=self.source)
        self.writers.append(writer)
        writer.write(
            f"SETUP rtsp://{host}/news/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n"
            "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n".encode())
        self.attached[i], _ = await self._answer(reader)

    def run(self, first, n, seconds, fail=0):
        """Clients first … first+n-1 come, evenly spread over the seconds; one in `fail` never
        attaches."""

        async def all_of_them():
            await asyncio.gather(*(
                self._client(i, seconds * (i - first) / n, fail and i % fail == 0)
                for i in range(first, first + n)))

        self._in_thread(lambda: self.loop.run_until_complete(all_of_them()))

    def _in_thread(self, work):
        failed = []

        def body():
            try:
                near.socket_in(self.space, work)
            except BaseException as e:  # pylint: disable=broad-except
                failed.append(e)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    def close(self):
        async def end():
            for writer in self.writers:
                writer.close()

        self._in_thread(lambda: self.loop.run_until_complete(end()))
        self.loop.close()


@pytest.mark.parametrize("policy", ["least-loaded", "two-choices"])
def test_crowd_takes_no_node_past_its_capacity_and_fills_them_all(crowd, policy):
    arn = crowd.begin(CAPACITY, f'select {{ policy = "{policy}" per-client = 1000 }}\n')
    clients = Clients(crowd.client)
    clients.run(0, ROOM - 10, 1.0, fail=10)
    came = [i for i in range(ROOM - 10) if i % 10]
    assert all(not isinstance(told, int) for told in clients.told.values()), "nobody is refused"
    assert [clients.attached[i] for i in came] == [200] * len(came)
    # Those who never came are forgotten, and others get their places.
    wait_until(lambda: all(n["reserved"] == 0 for n in known(arn).values()), "reservations expired")
    wait_until(lambda: sum(n["sessions"] for n in known(arn).values()) == len(came),
               "all sessions are announced")
    clients.run(1000, ROOM, 0.5)
    refused = [i for i in range(1000, 1000 + ROOM) if clients.told[i] == 503]
    assert len(refused) == len(came), "one for each who has a place"
    assert all(clients.attached[i] == 200 for i in range(1000, 1000 + ROOM) if i not in refused)
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
    clients.run(1, 4, 0.1, fail=1)
    nodes = {n["node"]: n for n in arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")["nodes"]}
    assert sum(n["reserved"] for n in nodes.values()) == 4
    assert all(n["load"] == pytest.approx(n["reserved"] / 10) for n in nodes.values())
    wait_until(lambda: all(n["reserved"] == 0 for n in known(arn).values()), "they expired")
    clients.run(11, 4, 0.1)
    wait_until(lambda: sum(n["sessions"] for n in known(arn).values()) == 4, "they are announced")
    assert sum(n["reserved"] for n in known(arn).values()) == 0, "and consumed, long before they expire"
    clients.close()


def test_one_who_asks_and_never_attaches_keeps_nobody_out(crowd):
    arn = crowd.begin([10, 10], "select { per-client = 5 reservation = 10000 }\n")
    crowd.client.run("ip", "addr", "add", "10.9.0.77/24", "dev", "up0")
    clients = Clients(crowd.client)
    clients.run(0, 60, 0.5, fail=1)
    assert all(not isinstance(told, int) for told in clients.told.values())
    # Two windows of time may have begun meanwhile.
    assert sum(n["reserved"] for n in known(arn).values()) in range(5, 11)
    clients.source = ("10.9.0.77", 0)
    clients.run(100, 5, 0.1)
    assert [clients.attached[100 + i] for i in range(5)] == [200] * 5
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
    import subprocess

    def check(option):
        conf = tmp_path / "arn.conf"
        conf.write_text('name = "a"\ncontrol = "/tmp/a.sock"\nanycast { block = "10.1.18.0/24" }\n'
                        'node "n" { address = "10.2.0.6" }\n' + option + "\n")
        return subprocess.run([program("arn"), "-c", str(conf), "--check"], capture_output=True,
                              text=True, timeout=10, check=False)

    return check

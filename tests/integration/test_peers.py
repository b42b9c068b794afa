# SPDX-License-Identifier: GPL-2.0-or-later
"""The connections that ARNs keep to each other: what their end tells, and what strangers can do.

    host (arn804, 10.2.0.4) ---- LAN ---- lan (10.2.0.2: an ARN in Python, or a real one)

Rows C2 elect, C5 trust. Announcements are rare here: silence alone would take twice as long as what is asserted.
"""

import contextlib
import os
import signal
import socket
import struct
import threading
import time

import pytest

import near_testlib as near
from conftest import wait_until

BLOCK = "10.1.18.0/24"
PORT = 7702
HELLO, WELCOME = 3, 4
INTERVAL = 2000  # ms
OPTIONS = """
name = "{name}"
interface = "lan0"
key-file = "{keys}"
anycast {{ block = "{block}" hold = 200 }}
announce {{ interval = {interval} }}
discovery {{ misses = 1 }}
"""


@pytest.fixture
def lan(namespaces, link):
    """Two hosts on a LAN."""
    host, other = namespaces("host"), namespaces("lan")
    link(host, "lan0", other, "lan0")
    near.address(host, "lan0", "10.2.0.4/24", "2001:db8:2::4/64")
    near.address(other, "lan0", "10.2.0.2/24", "10.2.0.6/24", "2001:db8:2::2/64")
    for space in (host, other):
        # Groups are sent to before any route is there.
        space.run("ip", "route", "add", "default", "dev", "lan0")
    return host, other


def start_arn(space, program, folder, name="arn804", interval=200, block=BLOCK):
    options = OPTIONS.format(
        name=name, keys=near.key_file(folder), interval=interval, block=block
    )
    return near.Daemon(space, program("arn"), folder, name, options)


def cluster(arn):
    return arn.ask("show status")["cluster"]


def counter(arn, name):
    return arn.ask("show counters")[f"nearcast_arn_{name}"]


class Peer:
    """An ARN in Python: announces itself, accepts one connection after the other, and greets."""

    def __init__(self, space, address="10.2.0.2", greets=True):
        self.greets = greets
        self.announcer = near.Announcer(
            space, "lan0", "arn2", address, role=2, block=BLOCK, master=True, interval=20000,
            peer_port=PORT,
        )
        self.listener = near.socket_in(space, socket.create_server, (address, PORT))
        self.connections = []
        self.hellos = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                if not self.greets:
                    connection.close()
                    continue
                hello = self._frame(connection)
                if hello is None:
                    continue
                self.hellos.append(hello)
                payload = near.cbor({1: "arn2", 2: "arn804", 3: hello[-48:-32]})
                sealed = self.announcer.seal(payload, kind=WELCOME)
                self.connections.append(connection)  # before anybody can have heard of it
                connection.sendall(struct.pack(">H", len(sealed)) + sealed)

    @staticmethod
    def _frame(connection):
        head = connection.recv(2, socket.MSG_WAITALL)
        return connection.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL) if head else None

    def announce(self):
        self.announcer.send()

    def reset(self):
        """Closes the newest connection as a middle would."""
        connection = self.connections[-1]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def die(self):
        """What a kernel does for a process that is killed."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.die()
        self.announcer.close()


@pytest.fixture
def peer(lan):
    made = Peer(lan[1])
    yield made
    made.close()


def wait_connected(arn, peer):
    def connected():
        peer.announce()
        return any(p["connected"] for p in arn.ask("show peers")["peers"])

    wait_until(connected, "the ARN is connected", interval=0.1)
    assert cluster(arn)["master"] == "arn2"
    time.sleep(1.1)  # until then the end of the connection would mean nothing


def test_arn_whose_process_dies_is_replaced_at_once_and_not_after_its_silence(
    lan, program, tmp_path, peer
):
    arn = start_arn(lan[0], program, tmp_path)
    wait_connected(arn, peer)
    died = time.monotonic()
    peer.die()
    wait_until(lambda: arn.events("master"), "it is master", 5)
    elected = arn.events("master")[-1]
    assert elected["reason"] == "connection of the master closed"
    assert elected["t"] - died < 1
    assert counter(arn, 'peer_ends_total{found="dead"}') == 1


def test_connection_that_is_reset_while_the_other_lives_changes_nothing(
    lan, program, tmp_path, peer
):
    arn = start_arn(lan[0], program, tmp_path)
    wait_connected(arn, peer)
    peer.reset()
    found = 'peer_ends_total{found="alive"}'
    wait_until(lambda: counter(arn, found) == 1, "it asked and was greeted again")
    assert len(peer.hellos) == 2 and peer.hellos[0] != peer.hellos[1]
    # Resets one after the other are no reason for as many connections.
    peer.reset()
    time.sleep(0.3)
    assert len(peer.hellos) == 2
    wait_until(lambda: len(peer.hellos) == 3, "it connects again after a while")
    assert not arn.events("master") and counter(arn, 'peer_ends_total{found="dead"}') == 0


def test_one_taken_for_dead_in_vain_is_master_again_when_it_is_heard(lan, program, tmp_path, peer):
    arn = start_arn(lan[0], program, tmp_path)
    wait_connected(arn, peer)
    peer.greets = False  # as if something between the two closed every connection
    peer.reset()
    wait_until(lambda: cluster(arn)["state"] == "master", "it is taken for dead", 5)
    time.sleep(0.03)  # its last word could still be under way until then
    peer.announce()
    wait_until(lambda: cluster(arn)["state"] == "backup", "it is heard", 5)
    assert cluster(arn)["master"] == "arn2"


def test_strangers_can_neither_greet_nor_take_a_place_for_long(lan, program, tmp_path, peer):
    arn = start_arn(lan[0], program, tmp_path)
    wait_connected(arn, peer)

    def closed(s):
        s.settimeout(5)
        with contextlib.suppress(ConnectionError):
            return s.recv(4096) == b""
        return True

    # From a host that no ARN announced itself from.
    with near.connect(lan[1], "10.2.0.4", PORT, source="10.2.0.6") as s:
        assert closed(s)
    # Of an ARN's host: nonsense, a greeting that was heard elsewhere, silence.
    before = counter(arn, 'peer_refused_total{reason="greeting"}')
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff", struct.pack(">H", len(peer.hellos[0])) +
                 peer.hellos[0], b""):
        with near.connect(lan[1], "10.2.0.4", PORT, source="10.2.0.2") as s:
            s.sendall(data)
            assert closed(s)
    assert counter(arn, 'peer_refused_total{reason="greeting"}') == before + 4
    # More of them than there is room for.
    with contextlib.ExitStack() as stack:
        many = [
            stack.enter_context(near.connect(lan[1], "10.2.0.4", PORT, source="10.2.0.2"))
            for _ in range(40)
        ]
        assert all(closed(s) for s in many)
    assert counter(arn, 'peer_refused_total{reason="stranger"}') > 20
    assert counter(arn, "peers_connected") == 1 and not arn.events("master")


@pytest.mark.parametrize(
    "victim, block",
    [("all", BLOCK), ("guardian", BLOCK), ("worker", BLOCK), ("all", "fd18:27::/64")],
    ids=["all", "guardian", "worker", "ipv6"],
)
def test_killed_arn_is_replaced_by_another_at_once(
    lan, program, tmp_path, victim, block, record_property
):
    first = start_arn(lan[1], program, tmp_path, "arn2", INTERVAL, block)
    wait_until(lambda: first.ask("show status")["cluster"]["state"] == "master", "it listened", 15)
    second = start_arn(lan[0], program, tmp_path, "arn804", 200, block)
    # It hears of the other one when it comes, and both connect.
    wait_until(lambda: cluster(second)["master"] == "arn2", "the second one knows the first")
    for arn in (first, second):
        wait_until(lambda a=arn: counter(a, "peers_connected") == 1, "they are connected")
    wait_until(lambda: cluster(second)["standing"] == "ready", "the second one is ready")
    time.sleep(1.1)
    guardian, worker = near.arn_pids(first)
    killed = time.monotonic()
    for pid in {"all": (guardian, worker), "guardian": (guardian,), "worker": (worker,)}[victim]:
        with contextlib.suppress(ProcessLookupError):  # a worker may be gone with its guardian by then
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: second.events("master"), "the second one is master", 5)
    elected = second.events("master")[-1]
    record_property("ms", round((elected["t"] - killed) * 1000, 2))
    print(f"{victim}, {block}: {(elected['t'] - killed) * 1000:.2f} ms")
    assert elected["reason"] == "connection of the master closed"
    assert elected["t"] - killed < 1

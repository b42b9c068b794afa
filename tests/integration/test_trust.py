# SPDX-License-Identifier: GPL-2.0-or-later
"""Row C5 with the real daemons on both sides: what they say on the LAN is recorded by tcpdump and
played again, to an ARN that heard it and to one that did not; strangers and liars; a flood.
"""

import contextlib
import os
import signal
import threading
import time

import pytest

import near_testlib as near
from conftest import wait_until
from test_arn import BLOCK, OPTIONS, Site, cluster, describe, usable, wait_up

SKEW = 1.0  # s
REFUSED = 'nearcast_arn_datagrams_refused_total{{reason="{}"}}'
ANNOUNCE, GOODBYE = 1, 2


class Lan(Site):
    """Site, with real daemons in the place of the LAN's hosts, and a recorder."""

    def __init__(self, *args):
        super().__init__(*args)
        near.address(self.lan, "lan0", "10.2.0.2/24")
        self.stranger = self.node("stranger", "10.2.0.66")
        self.key = near.key_file(self.folder)

    def agent(self):
        options = (
            'name = "sn806"\naddress = "10.2.0.6"\ninterface = "lan0"\n'
            f'key-file = "{self.key}"\nrtsp {{ port = 8554 }}\nannounce {{ interval = 50 }}\n'
        )
        return near.Daemon(self.lan, self.program("sn-agent"), self.folder, "sn806", options)

    def strict(self, extra=""):
        """The ARN, which accepts what is not older than SKEW."""
        return self.arn(f"discovery {{ skew = {int(SKEW * 1000)} }}\n" + extra)

    def lower(self):
        """Another ARN of the block, with a lower address."""
        options = (
            f'name = "arn2"\ninterface = "lan0"\naddress = "10.2.0.2"\nkey-file = "{self.key}"\n'
            f'anycast {{ block = "{BLOCK}" interface = "anycast2" hold = 300 }}\n'
        )
        return near.Daemon(self.lan, self.program("arn"), self.folder, "arn2", options)

    @contextlib.contextmanager
    def recorded(self):
        """What comes to the ARN's LAN from others meanwhile: a list, whole at the end."""
        path, log = self.folder / "lan.pcap", self.folder / "tcpdump.log"
        path.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        process = self.host.start(
            "tcpdump", "-i", "lan0", "-Q", "in", "-n", "-U", "--immediate-mode", "-Z", "root",
            "-w", path, "udp", "port", "7701", log=log,
        )
        wait_until(lambda: "listening on" in log.read_text(), "tcpdump listens")
        found = []
        yield found
        self.host.stop(process, signal.SIGINT)
        found += datagrams(path.read_bytes())

    def play(self, recording):
        for datagram in recording:
            self.stranger.send(datagram)
            time.sleep(0.001)  # the pace, so that none is lost on the way


def datagrams(pcap):
    """The payloads of a capture's packets."""
    found, at = [], 24
    while at < len(pcap):
        size = int.from_bytes(pcap[at + 8 : at + 12], "little")
        packet = pcap[at + 16 : at + 16 + size]
        if b"NCST" in packet:
            found.append(packet[packet.index(b"NCST") :])
        at += 16 + size
    return found


def kinds(recording):
    return {d[5] for d in recording}


def refused(arn, reason):
    return arn.ask("show counters")[REFUSED.format(reason)]


def all_refused(arn, reason, before, recording):
    wait_until(
        lambda: refused(arn, reason) >= before + len(recording),
        f"all {len(recording)} are refused as {reason}",
    )


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Lan(namespaces, link, program, tmp_path)
    yield made
    made.close()


def test_recording_of_a_node_brings_it_neither_back_nor_away(site):
    """To an ARN that heard it."""
    arn = site.strict()
    with site.recorded() as recording:
        agent = site.agent()
        wait_until(lambda: usable(arn) == 1, "the node is known")
        agent.stop()
        wait_until(lambda: usable(arn) == 0, "the node is gone")
    assert kinds(recording) == {ANNOUNCE, GOODBYE}
    before = refused(arn, "replayed")
    site.play(recording)
    all_refused(arn, "replayed", before, recording)
    assert not arn.ask("show nodes")["nodes"]

    agent.start()
    wait_until(lambda: usable(arn) == 1, "the node is back")
    downs = len(arn.events("node-down"))
    goodbyes = [d for d in recording if d[5] == GOODBYE]
    before = refused(arn, "replayed") + refused(arn, "stale")
    site.play(goodbyes)
    wait_until(
        lambda: refused(arn, "replayed") + refused(arn, "stale") >= before + len(goodbyes),
        "the goodbye is refused",
    )
    assert usable(arn) == 1 and len(arn.events("node-down")) == downs


def test_old_recording_means_nothing_to_an_arn_that_did_not_hear_it(site):
    with site.recorded() as recording:
        agent = site.agent()
        heard = site.arn()
        wait_until(lambda: usable(heard) == 1, "the node is known")
        agent.stop()
        heard.stop()
    end = time.time() + SKEW
    assert kinds(recording) == {ANNOUNCE, GOODBYE}
    arn = site.strict()  # it knows nothing
    wait_until(lambda: time.time() > end, "the recording is old", SKEW + 1)
    site.play(recording)
    all_refused(arn, "stale", 0, recording)
    assert not arn.ask("show nodes")["nodes"]


def test_recording_of_an_arn_makes_nobody_master_and_ends_no_master(site):
    arn = site.strict()
    with site.recorded() as recording:
        other = site.lower()
        wait_until(lambda: cluster(arn)["master"] == "arn2", "the lower one is master")
        other.stop()
        wait_until(lambda: cluster(arn)["state"] == "master", "the other one is master again")
    assert kinds(recording) == {ANNOUNCE, GOODBYE}
    wait_up(arn)
    before, changes = refused(arn, "replayed"), len(arn.events("backup"))
    site.play(recording)
    all_refused(arn, "replayed", before, recording)
    assert cluster(arn)["state"] == "master" and not arn.ask("show peers")["peers"]
    assert len(arn.events("backup")) == changes

    other.start()
    wait_until(lambda: cluster(arn)["master"] == "arn2", "the lower one is master")
    masters = len(arn.events("master"))
    before = refused(arn, "replayed") + refused(arn, "stale")
    site.play([d for d in recording if d[5] == GOODBYE] * 3)
    wait_until(
        lambda: refused(arn, "replayed") + refused(arn, "stale") >= before + 3, "it is refused"
    )
    assert cluster(arn)["master"] == "arn2" and len(arn.events("master")) == masters


@pytest.mark.parametrize("role", [1, 2], ids=["node", "arn"])
def test_who_has_the_key_still_speaks_for_himself_only(site, role):
    arn = site.strict()
    agent = site.agent()
    wait_until(lambda: usable(arn) == 1, "the node is known")
    liar = site.node("liar", "10.2.0.1", role=role, block=BLOCK, master=True, interval=30000)
    for victim in ("sn806", "arn804"):
        liar.fields[2] = victim
        liar.send()
        liar.send(kind=near.GOODBYE)
    wait_until(lambda: refused(arn, "misnamed") == 4, "all four are refused")
    assert [n["address"] for n in arn.ask("show nodes")["nodes"]] == ["10.2.0.6"]
    assert not arn.events("backup") and not arn.events("node-down")
    assert agent.process.poll() is None


def test_flood_costs_little_and_nobody_is_lost_in_it(site):
    arn = site.strict()
    site.agent()
    site.route_statically()
    wait_until(lambda: usable(arn) == 1, "the node is known")
    wait_up(arn)
    worker = near.arn_pids(arn)[1]
    forged = [site.stranger.seal(key=b"x" * 32) for _ in range(50)]
    garbage = [os.urandom(n) for n in (1, 40, 72, 300, 1400)]
    sent, stop = [0], threading.Event()

    def flood():
        while not stop.is_set() and sent[0] < 400000:
            for datagram in forged + garbage:
                site.stranger.send(datagram)
                sent[0] += 1

    before = resident(worker)
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        began = time.monotonic()
        answers = 0
        while time.monotonic() - began < 1.5:  # the length of the disturbance
            status, headers = describe(site.client)
            assert (status, headers["location"]) == (302, "rtsp://10.2.0.6:8554/news")
            answers += 1
    finally:
        stop.set()
        thread.join()
    print(f"{sent[0]} datagrams in 1.5 s; {answers} transactions meanwhile")
    assert answers > 5 and sent[0] > 1000
    assert not arn.events("node-down") and not arn.events("block-down")
    assert near.arn_pids(arn)[1] == worker
    assert resident(worker) - before < 8192
    assert refused(arn, "forged") > 0 and refused(arn, "malformed") > 0


def test_node_is_not_lost_when_a_flood_drowns_its_announcements(site):
    """The ARN stands still for longer than the node's timeout, and what it finds then is garbage."""
    options = OPTIONS.format(
        name="arn804", keys=site.key, block=BLOCK, connections=100, request_timeout=1000,
        anycast="",
    ).replace("hang-bound = 300", "hang-bound = 5000")
    arn = near.Daemon(site.host, site.program("arn"), site.folder, "arn804", options)
    site.agent()
    wait_until(lambda: usable(arn) == 1, "the node is known")
    worker = near.arn_pids(arn)[1]
    garbage = [os.urandom(300) for _ in range(200)]

    def flood(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for datagram in garbage:
                site.stranger.send(datagram)

    def heard():
        return arn.ask("show nodes")["nodes"][0]["announcements"]

    for _ in range(3):
        # First the buffer is filled, then the node's own are lost.
        os.kill(worker, signal.SIGSTOP)
        flood(0.5)
        os.kill(worker, signal.SIGCONT)
        before = heard()
        wait_until(lambda: heard() > before, "the node is heard again")
    assert arn.ask("show counters")["nearcast_arn_datagrams_lost_total"] > 0
    assert not arn.events("node-down")
    assert usable(arn) == 1


def resident(pid):
    """KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

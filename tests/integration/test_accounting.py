# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts (row E4): every session of a node is in its database once, whatever happens to the node,
to the database or to the disk; and nearctl makes one record of what several nodes have written."""

import json
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import wait_until
from near_testlib import Daemon
from sn_testlib import Here, Player, Publisher

INTERVAL = 100  # ms


@pytest.fixture
def here():
    space = Here()
    yield space
    space.close()


@pytest.fixture
def accounts(program):
    """accounts(DATABASE...) is the sessions that nearctl finds in them."""

    def run(*words):
        argv = [program("nearctl"), "--json", "accounting", *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["sessions"]

    return run


@pytest.fixture
def node(here, program, tmp_path):
    """node(N) is a service node at 127.0.0.N that writes into N.db."""

    def make(n, database=None, options="", rtsp=""):
        path = database or tmp_path / f"{n}.db"
        conf = (
            f'name = "sn{n}"\naddress = "127.0.0.{n}"\nrtsp {{ publishers = "127.0.0.0/8" {rtsp} }}\n'
            f'accounting {{ database = "{path}" interval = {INTERVAL} }}\n{options}\n'
        )
        d = Daemon(here, program("sn-agent"), tmp_path, f"sn{n}", conf)
        d.host, d.database = f"127.0.0.{n}", path
        return d

    return make


def written(sn):
    """Nothing waits to be written."""
    wait_until(lambda: sn.ask("show accounting")["waiting"] == 0, "accounts are written")


def alive(player):
    """A sign of life, as players give by their reports: what they got until then counts."""
    assert player.rtsp.ask("GET_PARAMETER", player.path, {"Session": player.session}).status == 200


def players(found):
    return [s for s in found if s["role"] == "player"]


def test_a_session_is_accounted_for_with_what_it_got(node, accounts):
    sn = node(11)
    source = Publisher(sn.host)
    player = Player(sn.host).play()
    identity = sn.ask("show sessions")["sessions"][0]["identity"]
    numbers = source.send(50)
    player.wait(numbers)
    alive(player)
    size = sum(len(data) for _, data in player.got[0])
    wait_until(lambda: [s for s in players(accounts(sn.database)) if s["bytes"] == size],
               "it is accounted for while it goes on")
    assert players(accounts(sn.database))[0]["reason"] is None
    player.teardown()
    source.teardown()
    written(sn)
    found = {s["role"]: s for s in accounts(sn.database)}
    one = found["player"]
    assert one["identity"] == identity and one["nodes"] == ["sn11"] and one["parts"] == 1
    assert one["channel"] == "/news" and one["client"].startswith("127.0.0.1:")
    assert (one["packets"], one["bytes"], one["reason"]) == (50, size, "teardown")
    assert one["begin"] <= one["end"] and 0 < one["seconds"] < 60 and one["user"] is None
    assert found["publisher"]["packets"] == 50 and found["publisher"]["bytes"] == size
    assert found["publisher"]["reason"] == "teardown" and len(found) == 2


def test_no_session_is_lost_when_its_node_is_killed(node, accounts):
    sn = node(11)
    source = Publisher(sn.host)
    some = [Player(sn.host).play() for _ in range(3)]
    numbers = source.send(20)
    for player in some:
        player.wait(numbers)
        alive(player)
    wait_until(lambda: [s["packets"] for s in players(accounts(sn.database))] == [20] * 3,
               "their numbers are written")
    late = Player(sn.host).play()
    wait_until(lambda: len(players(accounts(sn.database))) == 4, "who came last is written")
    sn.stop(signal.SIGKILL)
    assert [s["reason"] for s in accounts(sn.database)] == [None] * 5  # nobody could say it yet
    sn.start()
    wait_until(lambda: all(s["reason"] == "node died" for s in accounts(sn.database)),
               "the node has found what it left open")
    assert sorted(s["packets"] for s in players(accounts(sn.database))) == [0, 20, 20, 20]
    for one in (*some, late, source):
        one.rtsp.close()


def test_what_is_sent_to_who_is_cut_off_is_not_accounted_for(node, accounts):
    sn = node(11, rtsp="session-timeout = 1500")
    source = Publisher(sn.host)
    player = Player(sn.host).play()
    player.wait(source.send(5))
    alive(player)
    wait_until(lambda: (r := players(accounts(sn.database))) and r[0]["packets"] == 5, "it is written")
    heard = sn.ask("show sessions")["sessions"][0]["seconds"]
    # Another node may serve it meanwhile. Here nothing is heard of it any more.
    wait_until(lambda: source.send(1) and sn.events("session_end"), "it is given up")
    end = sn.events("session_end")[0]
    assert end["reason"] == "timeout" and end["seconds"] >= 1.5 and end["packets"] > 5
    written(sn)
    one = players(accounts(sn.database))[0]
    assert (one["packets"], one["reason"]) == (5, "timeout")
    assert one["seconds"] <= heard + 0.001
    player.close()


def test_time_for_which_a_node_did_not_run_is_not_accounted_for(node, accounts):
    sn = node(11)
    source = Publisher(sn.host)
    player = Player(sn.host)
    began = time.monotonic()
    player.play()
    player.wait(source.send(5))
    sn.send_signal(signal.SIGSTOP)
    time.sleep(2)  # nothing happens: that is the point
    player.close()  # it has gone on elsewhere meanwhile
    sn.send_signal(signal.SIGCONT)
    wait_until(lambda: (r := players(accounts(sn.database))) and r[0]["reason"], "the end is noted")
    assert players(accounts(sn.database))[0]["seconds"] <= time.monotonic() - began - 2
    source.close()


def test_sessions_end_in_the_account_when_the_node_is_stopped(node, accounts):
    sn = node(11, options="drain-timeout = 0")
    source = Publisher(sn.host)
    player = Player(sn.host).play()
    player.wait(source.send(5))
    sn.stop()
    found = accounts(sn.database)
    assert sorted(s["reason"] for s in found) == ["shutdown", "shutdown"]
    assert players(found)[0]["packets"] == 5


def test_database_that_cannot_be_written_holds_nobody_up_and_loses_nothing(node, accounts, tmp_path):
    folder = tmp_path / "not there yet"
    sn = node(11, folder / "accounts.db")
    source = Publisher(sn.host)
    player = Player(sn.host).play()
    player.wait(source.send(5))
    state = wait_until(lambda: (s := sn.ask("show accounting"))["trouble"] and s, "it is told")
    assert state["waiting"] >= 2 and state["written"] == 0
    assert "accounting: " in sn.text() and "unable to open database file" in sn.text()
    player.teardown()
    folder.mkdir()
    written(sn)
    assert players(accounts(sn.database))[0]["reason"] == "teardown"
    # Now somebody else has it locked.
    other = sqlite3.connect(sn.database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    failures = sn.ask("show accounting")["failures"]
    second = Player(sn.host).play()
    second.wait(source.send(5))
    wait_until(lambda: sn.ask("show accounting")["failures"] > failures, "it was tried", 20)
    second.teardown()
    other.execute("ROLLBACK")
    other.close()
    written(sn)
    found = players(accounts(sn.database))
    assert [s["reason"] for s in found] == ["teardown"] * 2 and found[1]["packets"] == 5
    assert sn.ask("show accounting")["lost"] == 0
    assert sn.ask("show accounting")["trouble"] is None


def test_full_disk_holds_nobody_up_and_loses_nothing(node, accounts, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    sn = node(11, disk / "accounts.db")
    source = Publisher(sn.host)
    written(sn)
    with open(disk / "ballast", "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    player = Player(sn.host).play()
    player.wait(source.send(5))
    wait_until(lambda: sn.ask("show accounting")["trouble"], "the disk is full", 20)
    player.wait(source.send(5))
    player.teardown()
    (disk / "ballast").unlink()
    written(sn)
    one = players(accounts(sn.database))[0]
    assert (one["packets"], one["reason"]) == (10, "teardown")
    sn.stop()
    subprocess.run(["umount", disk], check=True)


def test_accounts_are_kept_together_and_readable_by_anybody(node, accounts, program, tmp_path):
    some = [node(n) for n in (11, 12)]
    for sn in some:
        source = Publisher(sn.host)
        player = Player(sn.host).play()
        player.wait(source.send(3))
        player.teardown()
        source.teardown()
        written(sn)
    every = tmp_path / "all.db"
    for _ in range(2):
        found = accounts("--into", every, *(sn.database for sn in some))
        assert [s["nodes"] for s in players(found)] == [["sn11"], ["sn12"]]
    assert accounts("--into", every) == found
    with sqlite3.connect(every) as db:
        assert db.execute("SELECT count(*), sum(packets) FROM sessions WHERE role = 'player'") \
            .fetchone() == (2, 6)
    # A person reads a table.
    text = subprocess.run([program("nearctl"), "accounting", every], capture_output=True, text=True,
                          timeout=30, check=True).stdout
    assert text.count("sn12") == 2
    for words, code, why in (
        (["accounting"], 64, "usage"),
        (["accounting", tmp_path / "none.db"], 66, "none.db: unable to open database file"),
        (["accounting", sn.conf], 66, "file is not a database"),
    ):
        done = subprocess.run([program("nearctl"), *words], capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == code and why in done.stderr

# SPDX-License-Identifier: GPL-2.0-or-later
"""Users (row E4): players and publishers that nobody has changed prove their passwords to a node, past
an ARN that knows nothing of users; client-failover proves its own at each node without being
asked again, and stays one session of one user in the accounts."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

import near_testlib as near
from conftest import wait_until
from sn_testlib import Here, Publisher, Rtsp
from test_access import Access
from test_arn import ANYCAST
from test_client import HERE, Client
from test_client_nodes import PACE, Source, assert_whole

REALM = "nearcast"


def line(user, password, algorithm="md5"):
    return f"{user}:{REALM}:" + hashlib.new(algorithm, f"{user}:{REALM}:{password}".encode()).hexdigest()


def users_file(folder, *lines):
    """The file of users, put into place at once."""
    fresh = folder / "users.new"
    fresh.write_text("\n".join(lines) + "\n")
    fresh.chmod(0o600)
    return fresh.rename(folder / "users")


def seen_user(agent, role="player"):
    return {s["user"] for s in agent.ask("show sessions")["sessions"] if s["role"] == role}


# ---- programs of others, through an ARN ----


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Access(namespaces, link, program, tmp_path)
    yield made
    made.close()


PLAYERS = {
    "ffmpeg": "ffmpeg -v error -rtsp_transport {way} -i rtsp://alice:s3cret@{host}/news -c copy -f null -",
    # A redirection has no user in it, so GStreamer is told apart from the URL.
    "gst": "gst-launch-1.0 -q rtspsrc user-id=alice user-pw=s3cret protocols={way} "
           "location=rtsp://{host}/news ! fakesink",
    "client-failover": "{client} rtsp://alice:s3cret@{host}/news --transport {way} --json",
}


def test_players_prove_their_passwords_past_an_arn_that_knows_none(site, program, tmp_path):
    users = users_file(tmp_path, line("alice", "s3cret"), line("pub", "p"), "# and one of ours",
                       line("alice", "s3cret", "sha256"))
    agent, _ = site.start(arn="token { issue = yes }\n", node=(
        f'access {{ token = "required" users = "{users}" publishers = "pub" }}\n'))
    publisher = site.lan.start(
        *("ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=25 -c:v libx264 -preset ultrafast "
          "-g 10 -f rtsp rtsp://pub:p@10.2.0.6/news").split(), log=tmp_path / "publisher.log")
    wait_until(lambda: seen_user(agent, "publisher") == {"pub"},
               f"it publishes: {(tmp_path / 'publisher.log').read_text()}", 20)
    for name, command in PLAYERS.items():
        for way in ("udp", "tcp"):
            argv = command.format(host=ANYCAST, way=way, client=program("client-failover")).split()
            log = tmp_path / f"{name}-{way}.log"
            player = site.client.start(*argv, log=log)
            wait_until(lambda: seen_user(agent) == {"alice"}, f"{name} plays over {way}", 20)
            wait_until(lambda: all(s["packets"] > 10 for s in agent.ask("show sessions")["sessions"]
                                   if s["role"] == "player"), f"{name} gets packets over {way}", 20)
            site.client.stop(player)
            wait_until(lambda: not seen_user(agent), "it has left")
    counted = agent.ask("show counters")
    assert counted["sessions_total"] == 6
    assert all("alice" == e["user"] for e in agent.events("session_start"))
    site.lan.stop(publisher)


def test_who_has_no_good_password_neither_plays_nor_publishes(site, program, tmp_path):
    users = users_file(tmp_path, line("alice", "s3cret"), line("pub", "p"))
    agent, _ = site.start(arn="", node=f'access {{ users = "{users}" publishers = "pub" }}\n')

    def publish(user):
        argv = ("ffmpeg -v error -f lavfi -i testsrc2=size=160x120:rate=25 -t 1 -c:v libx264 "
                f"-f rtsp rtsp://{user}10.2.0.6/news").split()
        return site.lan.run(*argv, check=False)

    for user, why in (("", "401"), ("pub:x@", "401"), ("alice:s3cret@", "403")):
        done = publish(user)
        assert done.returncode != 0 and why in done.stderr, done.stderr
    for user in ("", "alice:wrong@", "bob:s3cret@"):
        done = site.client.run("ffmpeg", "-v", "error", "-i", f"rtsp://{user}{ANYCAST}/news", "-f",
                               "null", "-", check=False)
        assert done.returncode != 0 and "401" in done.stderr, done.stderr
    done = site.client.run(program("client-failover"), f"rtsp://alice:wrong@{ANYCAST}/news", "--json",
                           check=False)
    assert done.returncode == 77, done.stderr
    assert "wrong" not in done.stdout + done.stderr
    assert agent.ask("show sessions")["sessions"] == []


# ---- the list ----


@pytest.fixture
def here():
    space = Here()
    yield space
    space.close()


def daemon(here, program, folder, n, users, *upstreams, more=""):
    lines = "".join(f'upstream "sn{u}" {{ address = "127.0.0.{u}" }}\n' for u in upstreams)
    conf = (
        f'name = "sn{n}"\naddress = "127.0.0.{n}"\nrtsp {{ publishers = "127.0.0.0/8" }}\n{lines}'
        f'key-file = "{near.key_file(folder)}"\nmanagement = "127.0.0.{n}:7781"\n'
        f'access {{ users = "{users}" trusted = "127.0.0.6/32, 127.0.0.9/32" '
        f'authenticate = "players" }}\n'
        f'accounting {{ database = "{folder}/{n}.db" interval = 100 }}\n{more}'
    )
    return near.Daemon(here, program("sn-agent"), folder, f"sn{n}", conf)


def logins(host):
    """How many logins came to what at a node, without those that never did."""
    with urllib.request.urlopen(f"http://{host}:7781/metrics", timeout=5) as answer:
        found = re.findall(r'^nearcast_sn_logins_total\{login="(\w+)"\} (\d+)$',
                           answer.read().decode(), re.M)
    return {word: int(n) for word, n in found if int(n)}


def describe(host, user, password):
    """The status that DESCRIBE ends with, and the header that was challenged with."""
    rtsp = Rtsp(host)
    first = rtsp.ask("DESCRIBE", "/news")
    challenge = first["WWW-Authenticate"]
    nonce = challenge.split('nonce="')[1].split('"')[0]
    uri = rtsp.url("/news")

    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    response = md5(f"{md5(f'{user}:{REALM}:{password}')}:{nonce}:{md5(f'DESCRIBE:{uri}')}")
    second = rtsp.ask("DESCRIBE", "/news", {
        "Authorization": f'Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{uri}", '
                         f'response="{response}"'})
    rtsp.close()
    assert first.status == 401
    return second.status


def test_list_is_read_when_it_changes_and_a_bad_one_changes_nothing(here, program, tmp_path):
    users = users_file(tmp_path, line("alice", "a"))
    sn = daemon(here, program, tmp_path, 11, users)
    source = Publisher("127.0.0.11")
    assert describe("127.0.0.11", "alice", "a") == 200
    assert describe("127.0.0.11", "bob", "b") == 401
    users_file(tmp_path, line("bob", "b"))
    wait_until(lambda: describe("127.0.0.11", "bob", "b") == 200, "bob is known")
    assert describe("127.0.0.11", "alice", "a") == 401
    users_file(tmp_path, "this is no line of users")
    wait_until(lambda: "line 1: expected user:realm:hash" in sn.text(), "it is told")
    code, body = near.request(sn.control, "reload")
    assert code == 409 and "users: line 1" in body["error"]
    assert describe("127.0.0.11", "bob", "b") == 200
    users_file(tmp_path)
    sn.ask("reload")
    assert describe("127.0.0.11", "bob", "b") == 401
    source.close()


# ---- failover ----


def test_client_that_fails_over_is_not_asked_again_and_is_one_record(here, program, tmp_path):
    users = users_file(tmp_path, line("alice", "s3cret", "sha256"))
    daemon(here, program, tmp_path, 8, users)
    nodes = [daemon(here, program, tmp_path, n, users, 8) for n in (6, 9)]
    for node in nodes:
        wait_until(lambda n=node: any(u["up"] for u in n.ask("show upstreams")["upstreams"]), "it is up")
    source = Source("127.0.0.8")
    source.start()
    arn = subprocess.Popen([sys.executable, HERE / "scripted_node.py", "--listen", "127.0.0.1:5554",
                            "--redirect", "127.0.0.6:554,127.0.0.9:554"])
    client = Client(program("client-failover"), tmp_path, "rtsp://alice:s3cret@127.0.0.1:5554/live")
    try:
        client.wait_event("playing")
        cmdline = open(f"/proc/{client.process.pid}/cmdline", "rb").read()
        assert b"s3cret" not in cmdline and b"rtsp://127.0.0.1:5554/live" in cmdline
        one = wait_until(lambda: [s for s in nodes[0].ask("show sessions")["sessions"]
                                  if s["role"] == "player" and s["packets"] > PACE], "it plays")[0]
        assert logins("127.0.0.6") == {"ok": 1, "missing": 1}
        nodes[0].stop(signal.SIGKILL)
        client.wait_event("resumed")
        two = wait_until(lambda: [s for s in nodes[1].ask("show sessions")["sessions"]
                                  if s["packets"] > PACE], "it plays on")[0]
        assert (one["identity"], one["user"]) == (two["identity"], two["user"]) and two["user"] == "alice"
        assert one["id"] != two["id"]
        assert logins("127.0.0.9") == {"ok": 1}  # what it has brought was good at once
        source.end()
        client.end()
        assert_whole(client, source.publisher)
    finally:
        source.over.set()
        client.close()
        arn.kill()
        arn.wait()
    nodes[0].start()  # it finds what it had left open
    databases = [tmp_path / "6.db", tmp_path / "9.db"]

    def records():
        done = subprocess.run([program("nearctl"), "--json", "accounting", *databases],
                              capture_output=True, text=True, timeout=30, check=True)
        return [s for s in json.loads(done.stdout)["sessions"] if s["role"] == "player"]

    record = wait_until(lambda: (r := records()) and all(s["reason"] for s in r) and r, "it is closed")
    assert len(record) == 1
    record = record[0]
    assert record["identity"] == one["identity"] and record["user"] == "alice"
    assert record["nodes"] == ["sn6", "sn9"] and record["parts"] == 2
    # The kill costs what came after the last update, not more.
    assert record["packets"] > one["packets"] // 2 + two["packets"]

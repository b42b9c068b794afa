# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the web scenarios of figure 6 have in common (row G6): sn806 and sn810 have a web server with the
same objects; c802 downloads one of them, or a player at c802 plays HLS through a gateway there; at a
random moment something happens to the node that serves it. What has to hold: the download is the
object, byte for byte, and the player writes what it would have written of the files themselves.
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile

from . import daemons, media
from .scenario import Lines, Player, ScenarioError

PARAMS = {"size": 24, "rate": 4, "client": "c802", "nodes": "sn806,sn810", "arn": "arn804"}
PORT = 8000
GATEWAY = 8080
OBJECT = "object.bin"
WORDS = {"kill": "was killed (SIGKILL)", "hang": "was stopped (SIGSTOP)",
         "cut": "was cut off (its link went down)"}

NGINX = """\
daemon off;
master_process off;
pid {run}/nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{
        listen {port};
        root {root};
        limit_rate {rate}k;
    }}
}}
"""


class WebClient(Player):
    """client-failover with an http URL: its events."""

    def __init__(self, lab, node, argv):  # pylint: disable=super-init-not-called
        self.events, self.capture = [], None
        Lines.__init__(self, lab, node, lab.file_name(f"{node}-web"),
                       [daemons.find("client-failover"), "--json", *argv], self._hear)

    def bytes(self):
        """That it has so far."""
        return max((e["bytes"] for e in self.seen("progress")), default=0)


class Sites:
    """A web server on each node, with the same files, announced by its agent."""

    def __init__(self, lab):
        self.lab, self.names = lab, lab.params["nodes"].split(",")
        self.root = {}
        self.conf = {}

    def __enter__(self):
        for name in self.names:
            self.root[name] = self._folder(name)
        return self

    def __exit__(self, *_):
        self.lab.heal()  # before the servers go, or it would be them that are begun anew
        for name, text in self.conf.items():
            self._configure(name, text)
            self.lab.net[name].daemons.pop("web").stop()
        shutil.rmtree(os.path.join(self.lab.report, "sites"), ignore_errors=True)

    def _folder(self, name):
        path = os.path.join(self.lab.report, "sites", name)
        os.makedirs(path)
        return path

    def put(self, path, data):
        """A file at all nodes; of one date, so that their ETags are the same."""
        for root in self.root.values():
            file = os.path.join(root, path)
            with open(file, "wb") as out:
                out.write(data)
            os.utime(file, (1_700_000_000, 1_700_000_000))

    def put_folder(self, path, source):
        """Likewise a folder's files."""
        for root in self.root.values():
            os.makedirs(os.path.join(root, path))
        for name in os.listdir(source):
            with open(os.path.join(source, name), "rb") as file:
                self.put(os.path.join(path, name), file.read())

    def open(self, rate):
        """They serve, at `rate` kByte/s for each request, and the ARN knows that they do."""
        for name in self.names:
            node = self.lab.net[name]
            os.makedirs(node.file("run/web"), exist_ok=True)
            node.write("run/web/nginx.conf", NGINX.format(
                run="/run/web", port=PORT, root=self.root[name], rate=rate))
            node.daemon("web", [daemons.find("nginx"), "-e", "stderr", "-p", "/run/web", "-c",
                                "/run/web/nginx.conf"])
            with open(node.file("run/nearcast/sn-agent.conf"), encoding="utf-8") as file:
                self.conf[name] = file.read()
            self._configure(name, self.conf[name] + f"http {{ port = {PORT} }}\n")
        try:
            daemons.wait_until(self._usable, 30, "the ARN finds that the web servers work", 0.1)
        except TimeoutError:
            raise ScenarioError("not within 30 s: the ARN finds that the web servers work; it says "
                                f"{self._verdicts()}") from None

    def _configure(self, name, text):
        self.lab.net[name].write("run/nearcast/sn-agent.conf", text)
        said = []

        def reloaded():
            """Not at once when an earlier run's fault was healed just now: the agent is starting."""
            out, err, code = self.lab.net[name].pexec([daemons.find("nearctl"), "reload"])
            said[:] = [out + err]
            return code == 0
        try:
            daemons.wait_until(reloaded, 10, f"{name} reloads", 0.1)
        except TimeoutError as error:
            raise ScenarioError(f"{error}: {said[0]}") from None

    def _verdicts(self):
        """{node: what the ARN thinks of its web server}."""
        out, _, code = self.lab.net[self.lab.params["arn"]].pexec(
            [daemons.find("nearctl"), "--json", "show", "nodes"])
        nodes = json.loads(out)["nodes"] if code == 0 else []
        return {n["node"]: n.get("http") for n in nodes}

    def _usable(self):
        """One that it trusts, and others that may still be in quarantine after an earlier run."""
        said = [self._verdicts().get(name) for name in self.names]
        return "works" in said and set(said) <= {"works", "quarantined"}


def digest(path):
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def break_node(lab, kind, victim):
    """Kills or hangs its web server, or cuts it off."""
    return lab.fault(kind, victim if kind == "cut" else f"web@{victim}")


def story(lab, kind, ended, resumed, at):
    """What a failover looked like."""
    m = lab.measured
    m.update({k: resumed.get(k) for k in ("reason", "offset", "detection_ms", "transaction_ms",
                                          "attach_ms", "interruption_ms")})
    m.update(victim=lab.name_of(resumed["from"]), successor=lab.name_of(resumed["to"]),
             fault_at_s=round(at, 3), bytes=ended["bytes"], failovers=ended["failover_count"],
             fault_to_resumed_ms=round((resumed["t"] - lab.start - at) * 1000, 1))
    lab.tell(f"The web server of {m['victim']} {WORDS[kind]} {at:.2f} s after the start, when "
             f"{lab.params['client']} had {m['offset'] / 1e6:.1f} MB of an object.")
    lab.tell(f"{lab.params['client']} suspected it after {m['detection_ms']:.0f} ms without a byte "
             f"({m['reason']}), was sent to {m['successor']} ({m['transaction_ms']:.0f} ms), and "
             f"went on there at byte {m['offset']}: no byte came for {m['interruption_ms']:.0f} ms.")


def download_fails(lab, kind):
    """A download whose node fails goes on at another one; `kind` as faults are called."""
    with Sites(lab) as sites:
        body = random.Random(lab.seed).randbytes(int(lab.params["size"] * 1e6))
        sites.put(OBJECT, body)
        sites.open(int(lab.params["rate"] * 1000))
        file = os.path.join(lab.report, "download")
        url = f"http://{lab.topo.service}/{OBJECT}"
        lab.say(f"{lab.params['client']} downloads {url}")
        client = WebClient(lab, lab.params["client"], ["-o", file, url])
        client.wait("object")
        share = lab.random.uniform(0.1, 0.6) * len(body)
        client.wait_for(lambda: client.bytes() >= share, 30, f"{share:.0f} bytes")
        victim = client.serving
        at = break_node(lab, kind, victim)
        resumed = client.wait("resumed", 20)
        ended = client.wait_end(40)
        lab.check(lab.name_of(resumed["to"]) in set(sites.names) - {victim},
                  f"{client.node.name} went from {victim} to another node")
        lab.check(ended["failover_count"] == 1,
                  f"it took one failover ({ended['failover_count']})")
        same = digest(file) == hashlib.sha256(body).hexdigest()
        lab.check(same, f"the {len(body)} bytes of the download are those of the object")
        story(lab, kind, ended, resumed, at)
        lab.tell(f"SHA-256 of the {ended['bytes']} bytes: {'the same' if same else 'ANOTHER'}.")
        os.unlink(file)


def another_object(lab):
    """The other node has a newer version of the object: the download ends, and says so."""
    with Sites(lab) as sites:
        body = random.Random(lab.seed).randbytes(int(lab.params["size"] * 1e6))
        sites.put(OBJECT, body)
        sites.open(int(lab.params["rate"] * 1000))
        file = os.path.join(lab.report, "download")
        client = WebClient(lab, lab.params["client"],
                           ["-o", file, f"http://{lab.topo.service}/{OBJECT}"])
        client.wait("object")
        client.wait_for(lambda: client.bytes() >= len(body) * 0.2, 30, "a fifth of it")
        victim = client.serving
        other = next(name for name in sites.names if name != victim)
        with open(os.path.join(sites.root[other], OBJECT), "r+b") as out:
            out.write(b"another one")
        at = break_node(lab, "kill", victim)
        ended = client.wait_for(lambda: client.seen("ended"), 20, "its end")[0]
        client.expected = True
        code = client.process.wait(10)
        with open(file, "rb") as out:
            got = out.read()
        lab.check(ended["reason"] == "another object", f"it says so ({ended['reason']})")
        lab.check(code == 65, f"its exit status is 65 ({code})")
        lab.check(0 < len(got) < len(body) and got == body[:len(got)],
                  f"what it has written, {len(got)} bytes, is the object's beginning")
        lab.measured.update(victim=victim, fault_at_s=round(at, 3), bytes=len(got))
        lab.tell(f"The web server of {victim} {WORDS['kill']}, and {other} had a newer version of "
                 f"the object: the download ended after {len(got)} bytes ({ended['why']}).")
        os.unlink(file)


def _hls(lab, folder):
    """The lab's video as HLS: a playlist and segments of 2 s."""
    os.makedirs(folder)
    subprocess.run([daemons.find("ffmpeg"), "-nostdin", "-loglevel", "error", "-i",
                    media.clip(lab.cache, 1, lab.say), "-c", "copy", "-f", "hls", "-hls_time", "2",
                    "-hls_list_size", "0", "-hls_playlist_type", "vod",
                    os.path.join(folder, "index.m3u8")], check=True, stdin=subprocess.DEVNULL)
    return os.path.join(folder, "index.m3u8")


def _player(source, to):
    """ffmpeg plays `source`, and writes what it has got."""
    return [daemons.find("ffmpeg"), "-nostdin", "-hide_banner", "-loglevel", "error", "-y",
            "-i", source, "-c", "copy", "-fflags", "+bitexact", "-f", "mpegts", to]


def _bare(text):
    """A line of ffmpeg's without addresses in its memory."""
    return re.sub(r" @ 0x[0-9a-f]+", "", text)


def hls_fails(lab, kind):
    """An HLS session through a gateway, whose node fails."""
    with tempfile.TemporaryDirectory(dir=lab.report) as scratch:
        _hls_fails(lab, kind, scratch)


def _hls_fails(lab, kind, scratch):
    folder = os.path.join(scratch, "hls")
    wanted, got = os.path.join(scratch, "wanted.ts"), os.path.join(scratch, "got.ts")
    quiet = subprocess.run(_player(_hls(lab, folder), wanted), check=True, text=True,
                           stdin=subprocess.DEVNULL, capture_output=True)
    usual = {_bare(text) for text in quiet.stderr.splitlines()}
    with Sites(lab) as sites:
        sites.put_folder("hls", folder)
        sites.open(300)
        node = lab.params["client"]
        gateway = WebClient(lab, node, ["--gateway", str(GATEWAY), f"http://{lab.topo.service}/"])
        gateway.wait("listening")
        url = f"http://127.0.0.1:{GATEWAY}/hls/index.m3u8"
        lab.say(f"ffmpeg plays {url} at {node}")
        player = Lines(lab, node, lab.file_name(f"{node}-ffmpeg"), _player(url, got),
                       output="stderr")
        segments = lab.random.randint(2, 5)
        gateway.wait_for(lambda: len(gateway.seen("ended")) >= segments, 30, "some segments")
        lab.pause(lab.random.uniform(0, 0.5))
        victim = gateway.serving
        at = break_node(lab, kind, victim)
        player.thread.join(40)
        player.expected = True
        code = None if player.thread.is_alive() else player.process.wait(5)
        lab.check(code == 0, f"the player came to the end (its exit status is {code})")
        noticed = [text for _, text in player.lines if _bare(text) not in usual]
        lab.check(not noticed, "and noticed nothing" + (f" (but: {noticed[:3]})" if noticed else ""))
        gateway.stop()
        _check_hls(lab, gateway, victim, at, code == 0 and digest(got) == digest(wanted), kind)


def _check_hls(lab, gateway, victim, at, same, kind):
    ended, objects = gateway.seen("ended"), gateway.seen("object")
    after = {lab.name_of(o["node"]) for o in objects if o["t"] - lab.start > at + 0.2}
    transactions = gateway.seen("transaction")
    moves = sum(e["failover_count"] for e in ended)
    lab.check(same, "what it wrote is what it would have written of the files themselves")
    lab.check(victim not in after and after, f"after the fault another node served ({after})")
    lab.check(all(e["reason"] == "whole" for e in ended), "each answer was whole")
    lab.check(len(transactions) <= 4, f"{len(ended)} requests took {len(transactions)} transactions")
    m = lab.measured
    m.update(victim=victim, fault_at_s=round(at, 3), requests=len(ended), failovers=moves,
             transactions=len(transactions))
    resumed = [e for e in gateway.seen("resumed")]
    if resumed:
        m.update(interruption_ms=resumed[0]["interruption_ms"], offset=resumed[0]["offset"])
    lab.tell(f"The web server of {victim} {WORDS[kind]} {at:.2f} s after the start, while ffmpeg "
             f"played HLS through the gateway at {lab.params['client']}.")
    lab.tell((f"A segment was gone on with at byte {m['offset']}, after {m['interruption_ms']:.0f} ms "
              "without one. " if resumed else "It was between two segments. ")
             + f"{len(ended)} requests took {len(transactions)} transactions.")
    lab.tell("The player noticed nothing, and wrote " + ("the same" if same else "SOMETHING ELSE")
             + " as of the files themselves.")

# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab touches nothing of its host, and nothing of it is left, however it ends."""

import os
import signal
import subprocess

import pytest
from conftest import SOURCE, wait_until
from lab_tools import NEARLAB, children, descendants, host, in_node, nearlab, wait_same


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home and a working folder of its own, which a lab is to leave as they are."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def start(*argv):
    """A lab in the foreground, as a process."""
    # pylint: disable=consider-using-with
    return subprocess.Popen([NEARLAB, "up", "fig6", *argv], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def chain(outer):
    """The lab's first processes, by name."""
    def found():
        pids = {"outer": outer}
        for name, parent in (("unshare", "outer"), ("init", "unshare"), ("keeper", "init")):
            below = children(pids[parent])
            assert below, f"{name} is not there yet"
            pids[name] = below[0]
        return pids
    return wait_until(found, "the lab's first processes")


def running(outer, *words):
    """{program: its pids in the lab}, when there are all."""
    def found():
        lines = descendants(outer)
        hits = {w: [p for p, line in lines.items()
                    if w in map(os.path.basename, line.split(" ")[:2])] for w in words}
        assert all(hits.values()), f"not all of {words}: {sorted(set(lines.values()))}"
        return hits
    return wait_until(found, f"{', '.join(words)} run", 20)


@pytest.mark.parametrize("victim", ["outer", "unshare", "init", "keeper"])
def test_nothing_remains_when_one_of_the_first_processes_is_killed(victim, home):
    before = host(home, SOURCE / "topologies", SOURCE / "lab")
    lab = start()
    running(lab.pid, "bird", "arn", "sn-agent", "wirefilter", "vde_plug")
    os.kill(chain(lab.pid)[victim], signal.SIGKILL)
    lab.wait(10)
    lab.stderr.close()
    wait_same(before, home, SOURCE / "topologies", SOURCE / "lab")
    # The folder of the dead lab is recognized as such, and goes at the next occasion.
    assert nearlab("status", check=False).returncode == 1
    assert not os.path.exists("/run/nearlab/fig6")


def test_a_lab_that_is_up_leaves_nothing(home):
    """Also with some of its daemons dead or stopped, in the foreground, ended by a signal."""
    before = host(home)
    lab = start("--name", "mine")
    for line in lab.stderr:
        if "is up as 'mine'" in line:
            break
    else:
        pytest.fail("the lab did not come up")
    hits = running(lab.pid, "bird", "wirefilter", "vde_plug", "sn-agent", "arn")
    for word, sig in (("bird", signal.SIGKILL), ("wirefilter", signal.SIGKILL),
                      ("vde_plug", signal.SIGKILL), ("sn-agent", signal.SIGSTOP),
                      ("arn", signal.SIGKILL)):
        os.kill(hits[word][0], sig)
    now = host(home)
    for what in ("links", "addresses", "routes", "rules", "mounts", "files", "limits", "etc"):
        assert now[what] == before[what], what
    assert nearlab("status", "--name", "mine").returncode == 0
    lab.send_signal(signal.SIGTERM)
    lab.wait(15)
    lab.stderr.close()
    wait_same(before, home)
    assert not os.path.exists("/run/nearlab")


def test_two_labs_side_by_side_know_nothing_of_each_other(home):
    before = host(home)
    labs = [subprocess.Popen([NEARLAB, "up", "fig6", "--detach"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    names = []
    for lab in labs:
        out, err = lab.communicate(timeout=120)
        assert lab.returncode == 0, err
        names.append(out.strip())
    assert sorted(names) == ["fig6", "fig6-2"]
    for name in names:
        in_node(name, "c802", "sh", "-c", f"echo {name} > /run/who")
    for name in names:
        assert in_node(name, "c802", "cat", "/run/who").stdout.strip() == name
    in_node(names[0], "c802", "ip", "addr", "add", "10.99.99.1/32", "dev", "lo")
    assert "10.99.99.1" not in in_node(names[1], "c802", "ip", "addr").stdout

    nearlab("down", "--name", names[0])
    in_node(names[1], "c802", "ping", "-c1", "-W2", "sn808")
    nearlab("down", "--name", names[1])
    wait_same(before, home)


def test_there_is_no_way_out_of_a_lab(home):
    """The route to anything that is not the lab's ends inside."""
    nearlab("up", "fig6", "--detach", "--name", "closed", timeout=60)
    try:
        links = in_node("closed", "core", "ip", "-br", "link").stdout
        assert sorted(line.split()[0].split("@")[0] for line in links.splitlines()
                      if line.startswith(("core", "eth"))) == ["core-eth0", "core-eth1",
                                                               "core-eth2"]
        far = in_node("closed", "c802", "ping", "-c1", "-W1", "192.0.2.1", check=False)
        assert far.returncode != 0
    finally:
        nearlab("down", "--name", "closed")


def test_a_lab_that_cannot_come_up_says_why_and_leaves_nothing(home):
    before = host(home)
    topology = home / "work" / "broken.py"
    topology.write_text(
        "from nearlab_lib.topology import Internet\n"
        "class Broken(Internet):\n"
        "    def build(self):\n"
        "        self.addAS(64500, '10.0.0.0/16')\n"
        "        self.addRouter('R1', 64500)\n"
        "        self.addLan('lan', '10.0.1.0/24', router='nobody')\n"
        "topos = {'broken': Broken}\n"
    )
    done = nearlab("up", str(topology), "--detach", check=False)
    assert done.returncode == 1
    assert "nobody" in done.stderr
    topology.unlink()
    wait_same(before, home)

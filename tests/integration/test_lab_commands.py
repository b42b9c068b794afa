# SPDX-License-Identifier: GPL-2.0-or-later
"""The nearlab command in a running lab: what it prints, and its exit codes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import SOURCE, wait_until
from lab_tools import NEARLAB, descendants, in_node, nearlab


@pytest.fixture(scope="module")
def lab():
    """A running figure 6."""
    nearlab("up", "fig6", "--detach", "--name", "commands", timeout=120)
    yield "commands"
    nearlab("down", "--name", "commands")


def test_list_names_topologies_nodes_and_scenarios():
    listing = json.loads(nearlab("list", "--json").stdout)
    assert {"fig3", "fig6"} <= set(listing)
    assert {"kill-sn", "hang-sn", "cut-sn", "slow-sn"} <= set(listing["fig6"]["scenarios"])
    assert {"arn804", "sn806", "sn808", "sn810", "c802", "src803"} <= set(listing["fig6"]["nodes"])
    assert {"R1", "R6", "S1", "S2", "C1", "C2"} <= set(listing["fig3"]["nodes"])


@pytest.mark.parametrize("argv,code,words", [
    (["up", "fig99"], 1, "no topology 'fig99'"),
    (["up", "fig6", "--param", "colour=blue"], 1, "no parameter 'colour'"),
    (["up", "fig6", "--param", "delay=long"], 1, "'delay' is a number"),
    (["run", "fig6", "kill-sn", "--param", "rate=fast"], 1, "'rate' is a number"),
    (["up", "/etc/passwd"], 1, "expected a Python file"),
    (["soak", "--runs", "0"], 64, "expected 1 or more"),
    (["run", "fig6", "kill-arn"], 1, "made for fig3"),
    (["run", "fig6", "nonsense"], 1, "no scenario 'nonsense' for fig6 (there are: budget, "),
    (["run", "fig6"], 64, "usage"),
    (["frobnicate"], 64, "usage"),
    (["exec", "--name", "nowhere", "c802", "--", "true"], 1, "no lab named 'nowhere'"),
])
def test_wrong_use_says_what_is_wrong(argv, code, words):
    done = nearlab(*argv, check=False)
    assert done.returncode == code
    assert words in done.stderr


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exec_passes_the_exit_code_on(lab, code):
    assert in_node(lab, "c802", "sh", "-c", f"exit {code}", check=False).returncode == code


def test_exec_of_what_is_not_there_is_127(lab):
    done = in_node(lab, "c802", "/no/such/program", check=False)
    assert done.returncode == 127


def test_exec_in_an_unknown_node_names_those_that_are(lab):
    done = in_node(lab, "c999", "true", check=False)
    assert done.returncode == 1
    assert "c802" in done.stderr


def test_exec_gives_a_node_its_own_run_and_resolver(lab):
    in_node(lab, "c802", "sh", "-c", "echo here > /run/mine")
    assert in_node(lab, "src803", "test", "-e", "/run/mine", check=False).returncode == 1
    assert in_node(lab, "c802", "cat", "/run/mine").stdout == "here\n"
    assert "10.8.0.8 sn808" in in_node(lab, "c802", "cat", "/etc/hosts").stdout
    assert "nameserver 10.2.0.53" in in_node(lab, "c802", "cat", "/etc/resolv.conf").stdout


def test_exec_has_standard_input_and_the_working_folder(lab, tmp_path):
    done = subprocess.run([NEARLAB, "exec", "--name", lab, "c802", "--", "sh", "-c", "cat; pwd"],
                          input="through\n", text=True, capture_output=True, cwd=tmp_path,
                          check=True)
    assert done.stdout == f"through\n{tmp_path}\n"


@pytest.mark.parametrize("background", ["", "trap '' INT; "])
@pytest.mark.parametrize("sig,code", [(signal.SIGTERM, 9), (signal.SIGINT, 8)])
def test_exec_passes_signals_on(lab, sig, code, background):
    script = "trap 'exit 9' TERM; trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done"
    outer = background + 'exec "$@"'  # a shell starts what it puts into the background like this
    with subprocess.Popen(["sh", "-c", outer, "sh", NEARLAB, "exec", "--name", lab, "c802", "--",
                           "sh", "-c", script],
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(sig)
            assert process.wait(10) == code
        finally:
            process.kill()


def test_a_killed_exec_takes_its_command_with_it(lab):
    with subprocess.Popen([NEARLAB, "exec", "--name", lab, "c802", "--", "sleep", "987654"],
                          stdin=subprocess.DEVNULL) as process:
        def there():
            return in_node(lab, "c802", "pgrep", "-f", "^sleep 987654", check=False).stdout
        wait_until(there, "the command runs")
        process.kill()
        process.wait()
        wait_until(lambda: not there(), "the command has ended")


def test_status_lists_nodes_and_daemons(lab):
    status = json.loads(nearlab("status", "--name", lab, "--json").stdout)
    assert status["topology"] == "fig6"
    assert status["state"] == "ready"
    assert status["nodes"]["sn806"]["daemons"]["sn-agent"]["state"] == "running"
    assert set(status["nodes"]["arn804"]["daemons"]) == {"arn", "bird"}
    delays = {tuple(sorted(link["ends"])): link["delay"] for link in status["links"]}
    assert delays[("acc", "c802")] == 5
    assert delays[("core", "edge")] == 15


def best(name, target):
    """The shortest round trip (ms) from the client, of five."""
    out = in_node(name, "c802", "ping", "-c5", "-i0.2", "-q", target).stdout
    return float(out.rsplit("=", 1)[1].split("/")[0])


def test_links_have_their_delay(lab):
    assert 9.5 <= best(lab, "10.2.0.6") < 14
    assert 39 <= best(lab, "10.8.0.8") < 46


def test_link_gets_longer_until_it_is_healed(lab):
    """J4: the round trip to a neighbour has the delay twice."""
    nearlab("fault", "--name", lab, "delay", "acc-c802", "30ms")
    assert 59 <= best(lab, "10.2.82.1") < 80
    assert faults(lab) == [{"kind": "delay", "target": "acc-c802", "much": "30 ms"}]
    nearlab("heal", "--name", lab)
    assert 9.5 <= best(lab, "10.2.82.1") < 30
    done = nearlab("fault", "--name", lab, "delay", "sn812-sn806", "30ms", check=False)
    assert done.returncode == 1 and "is a tunnel" in done.stderr


def test_routers_speak_ospf_bgp_and_bfd(lab):
    bird = ["birdc", "-s", "/run/bird/bird.ctl", "show"]
    assert in_node(lab, "core", *bird, "ospf", "neighbors").stdout.count("Full") == 2
    protocols = in_node(lab, "core", *bird, "protocols").stdout
    assert protocols.count("Established") == 3
    assert in_node(lab, "core", *bird, "bfd", "sessions").stdout.count("Up") == 3


def test_the_anycast_block_stays_inside_its_as(lab):
    block = ["ip", "route", "show", "10.1.18.0/24"]
    assert in_node(lab, "acc", *block).stdout
    assert not in_node(lab, "edge", *block).stdout


def test_a_fault_is_seen_in_status_and_healed(lab):
    def state():
        status = json.loads(nearlab("status", "--name", lab, "--json").stdout)
        return status["nodes"]["sn810"]["daemons"]["sn-agent"]["state"], status["faults"]

    nearlab("fault", "--name", lab, "kill-sn", "sn810")
    wait_until(lambda: state()[0] == "killed by SIGKILL", "the agent is dead")
    assert state()[1] == [{"kind": "kill", "target": "sn810"}]
    nearlab("heal", "--name", lab)
    assert state() == ("running", [])

    nearlab("fault", "--name", lab, "hang", "sn810")
    wait_until(lambda: state()[0] == "stopped", "the agent is stopped")
    nearlab("heal", "--name", lab)
    wait_until(lambda: state()[0] == "running", "the agent goes on")


def test_a_cut_node_is_out_of_reach_until_it_is_healed(lab):
    ping = ["ping", "-c1", "-W1", "10.2.0.10"]
    nearlab("fault", "--name", lab, "cut", "sn810")
    assert in_node(lab, "c802", *ping, check=False).returncode != 0
    nearlab("heal", "--name", lab)
    wait_until(lambda: in_node(lab, "c802", *ping, check=False).returncode == 0, "it is back")


def test_a_cut_link_moves_nothing_but_takes_reachability(lab):
    nearlab("fault", "--name", lab, "cut", "core-edge")
    assert in_node(lab, "c802", "ping", "-c1", "-W1", "10.8.0.8", check=False).returncode != 0
    nearlab("heal", "--name", lab)
    wait_until(lambda: in_node(lab, "c802", "ping", "-c1", "-W1", "10.8.0.8",
                               check=False).returncode == 0, "BGP is back", 30)


def faults(name):
    """What status says is broken."""
    return json.loads(nearlab("status", "--name", name, "--json").stdout)["faults"]


def test_lossy_link_loses_so_many_packets_until_it_is_healed(lab):
    """J4: by the number of pings that are answered; 70 % each way are 49 %."""
    def answered(number):
        said = in_node(lab, "c802", "ping", "-q", "-i0.005", "-W1", f"-c{number}",
                       "10.2.82.1", check=False)
        return int(re.search(r"(\d+) received", said.stdout).group(1))

    nearlab("fault", "--name", lab, "lose", "c802", "100%")
    assert answered(2) == 0
    nearlab("fault", "--name", lab, "lose", "c802", "30%")
    assert faults(lab) == [{"kind": "lose", "target": "c802", "much": "30 %"}]
    assert 104 <= answered(300) <= 190  # 147 ± five standard deviations
    nearlab("fault", "--name", lab, "join", "c802")
    assert answered(30) == 30 and faults(lab) == []


def test_lossy_link_takes_a_super_packet_apart(lab):
    """A burst that is sent by one UDP_SEGMENT call, as nodes do, loses packets, not all or nothing."""
    def refused():
        """How many datagrams have come for which there is no socket."""
        head, values = [line.split() for line in in_node(lab, "sn810", "cat", "/proc/net/snmp")
                        .stdout.splitlines() if line.startswith("Udp:")]
        return int(values[head.index("NoPorts")])

    send = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
            "s.setsockopt(17, 103, 1000); s.sendto(bytes(60000), ('10.2.0.10', 9999))")
    in_node(lab, "sn806", "ping", "-c1", "10.2.0.10")  # ARP's own packets are not to be lost
    nearlab("fault", "--name", lab, "lose", "lan804-sn810", "30%")
    before = refused()
    in_node(lab, "sn806", "/usr/bin/python3", "-c", send)
    wait_until(lambda: refused() - before >= 20, "a part of it is there")
    assert refused() - before < 60
    nearlab("heal", "--name", lab)


def test_unknown_faults_and_targets_are_refused(lab):
    assert "no fault" in nearlab("fault", "--name", lab, "melt", "sn806", check=False).stderr
    assert "no node" in nearlab("fault", "--name", lab, "kill", "sn807", check=False).stderr
    done = nearlab("fault", "--name", lab, "kill", "nginx@sn806", check=False)
    assert done.returncode == 1 and "sn-agent" in done.stderr
    done = nearlab("fault", "--name", lab, "lose", "core-edge", "a lot", check=False)
    assert done.returncode == 1 and "lose: 'a lot': expected 0.001 to 100 percent" in done.stderr


def test_request_that_the_keeper_does_not_understand_does_not_end_the_lab(lab):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"/run/nearlab/{lab}/control")
        for request in (b"fault\n", b'"fault"\n', b'{"do": "fault"}\n', b'{"do": "node", "node": []}\n'):
            s.sendall(request)
            assert "error" in json.loads(s.recv(4096)), request


def test_the_prompt_takes_commands_from_standard_input(lab):
    done = subprocess.run([NEARLAB, "cli", "--name", lab], input="c802 echo at $((40 + 2))\n",
                          text=True, capture_output=True, timeout=30, check=True)
    assert "at 42" in done.stdout + done.stderr


def test_the_prompt_knows_the_programs_of_nearcast(lab):
    done = subprocess.run([NEARLAB, "cli", "--name", lab], input="arn804 nearctl show status\n",
                          text=True, capture_output=True, timeout=30, check=True)
    assert "10.1.18.0/24" in done.stdout + done.stderr


def test_scenarios_without_root_are_refused_at_once(tmp_path):
    for folder in ("lab", "topologies"):  # where even a user without any right may read
        shutil.copytree(SOURCE / folder, tmp_path / folder)
    done = subprocess.run(["unshare", "--user", "/usr/bin/python3", "-B", tmp_path / "lab/nearlab",
                           "run", "fig6", "kill-sn"], text=True, capture_output=True, timeout=30,
                          cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "scenarios need root" in done.stderr
    assert not (tmp_path / "nearlab-report").exists()


def test_names_of_running_labs_are_taken(lab):
    done = nearlab("up", "fig6", "--detach", "--name", lab, check=False)
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert os.path.exists(f"/run/nearlab/{lab}/control")


def test_a_dead_wire_is_seen_and_mended(lab):
    def wires():
        lines = descendants(int(nearlab_status()["pid"]))
        return [pid for pid, line in lines.items() if re.search("^wirefilter .*-d 5$", line)]

    def nearlab_status():
        return json.loads(nearlab("status", "--name", lab, "--json").stdout)

    def dead():
        return [link["ends"] for link in nearlab_status()["links"] if not link["alive"]]

    assert not dead()
    if nearlab_status()["emulation"] == "netem":  # by the kernel: there is nothing that could die
        assert not wires()
        return
    nearlab("fault", "--name", lab, "delay", "acc-c802", "20ms")
    os.kill(wires()[0], signal.SIGKILL)
    wait_until(lambda: dead() == [["acc", "c802"]], "the wire is seen to be dead")
    assert "dead wire acc-c802" in nearlab("heal", "--name", lab).stdout
    assert not dead()
    wait_until(lambda: in_node(lab, "c802", "ping", "-c1", "-W1", "10.8.0.8",
                               check=False).returncode == 0, "the client is back", 20)
    assert best(lab, "10.2.82.1") < 30


BURSTS = '''
import random, socket, sys
random.seed(1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
for burst in range(100):
    for n in range(150):
        s.sendto(bytes([n]) * random.randint(1, 1400), (sys.argv[1], 9999))
    try:
        s.recv(1)
    except TimeoutError:
        sys.exit(f"burst {burst} did not arrive whole")
'''

TAKE = '''
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
s.bind(("", 9999))
print("ready", flush=True)
while True:
    for n in range(150):
        data, sender = s.recvfrom(2000)
        assert data == bytes([n]) * len(data)
    s.sendto(b"!", sender)
'''


@pytest.mark.parametrize("left,right,end", [("c802", "acc", "acc-eth1"),
                                            ("core", "edge", "edge-eth1")])
def test_wires_keep_their_place_when_bursts_fill_them(lab, left, right, end):
    """Datagrams of all sizes, each burst more than a pipe holds: all arrive whole, in order.

    Between neighbours, so that no route has a say; and the next burst waits for the one before, so
    that no queue overflows on a busy machine.
    """
    address = json.loads(in_node(lab, right, "ip", "-j", "-4", "addr", "show", end).stdout)
    address = address[0]["addr_info"][0]["local"]
    with subprocess.Popen(
        [NEARLAB, "exec", "--name", lab, right, "--", "/usr/bin/python3", "-c", TAKE],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as taker:
        try:
            assert taker.stdout.readline() == "ready\n"
            in_node(lab, left, "/usr/bin/python3", "-c", BURSTS, address)
        finally:
            taker.kill()
    with open(f"/run/nearlab/{lab}/lab.log", encoding="utf-8") as log:
        assert "length error" not in log.read()


MININET = """
import sys
import time
from mininet.net import Mininet
Mininet.inited = True  # its init() sets limits of the whole machine
custom = {}
exec(compile(open(sys.argv[1], encoding="utf-8").read(), sys.argv[1], "exec"), custom, custom)
net = Mininet(topo=custom["topos"]["fig6"](), controller=None)
net.start()
deadline = time.monotonic() + 40
try:
    while time.monotonic() < deadline:
        if net["c802"].pexec("ping -c1 -W1 10.8.0.8")[2] == 0:
            print("reachable")
            break
        time.sleep(0.2)
finally:
    net.stop()
"""


def test_mininet_itself_takes_a_topology(program):
    """As `mn --custom` reads it, without the lab's keeper: routers and daemons come up as well."""
    folders = ":".join(os.path.dirname(program(p)) for p in ("arn", "sn-agent"))
    env = {**os.environ, "PYTHONPATH": str(SOURCE / "lab"), "NEARCAST_BINDIR": folders,
           "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["/usr/bin/python3", "-c", MININET, str(SOURCE / "topologies" / "fig6.py")],
        env=env, text=True, capture_output=True, timeout=90, check=False)
    assert done.stdout == "reachable\n", done.stderr

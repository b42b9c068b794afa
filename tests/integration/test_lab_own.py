# SPDX-License-Identifier: GPL-2.0-or-later
"""Topologies and scenarios of the user's own (J6): docs/lab.md's way to one, followed to the letter, and
what is said of a file with a mistake in it. Faults at their times, from a script (J4)."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import SOURCE
from lab_tools import NEARLAB, nearlab, run_scenario

sys.path.insert(0, str(SOURCE / "lab"))

from nearlab_lib import faults, nodes, script  # noqa: E402
from nearlab_lib.library import Library, LibraryError  # noqa: E402

SECTION = re.search(r"^## Your own network\n(.*?)^## ", (SOURCE / "docs" / "lab.md").read_text("utf-8"),
                    re.M | re.S).group(1)
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", SECTION, re.M | re.S)
MINE = "\n\n".join(text for language, text in FENCES if language == "python")


def commands(text):
    """[(command, what it shows)] of a block of the page."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def shape(line):
    """A pattern of a line of the page: numbers are any, and so are words in place of an ellipsis."""
    kinds = {"…": ".*", " ": r"\s+", "0": r"\d[\d.:]*"}
    words = re.split(r"(\s+|\d[\d.:]*|…)", line.strip())
    return "".join(re.escape(w) if not n % 2 else kinds[" " if w.isspace() else "0" if w[0].isdigit()
                                                        else w] for n, w in enumerate(words))


def shows(lines, output):
    """Whether an output is what the page shows; a line with only an ellipsis is any lines, or none."""
    pattern = "".join("(.*\n)*?" if line.strip() == "…" else rf"\s*{shape(line)}\s*?\n"
                      for line in lines)
    return re.fullmatch(pattern, output) is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the reader of the page works; the lab that the page has brought up is ended."""
    path = tmp_path_factory.mktemp("own")
    yield path
    nearlab("down", "--all")


@pytest.fixture(scope="module")
def followed(folder):
    """[(command, what the page shows, what came)]: all that the page says was done, but for the end."""
    told = []
    for language, text in FENCES:
        if language == "python":
            with open(folder / "mine.py", "a", encoding="utf-8") as file:
                file.write("\n\n" * bool(file.tell()) + text)
            continue
        if language == "text":
            (folder / re.match(r"# (\w+\.txt):", text).group(1)).write_text(text, encoding="utf-8")
            continue
        for command, shown in commands(text):
            if command.endswith("nearlab down"):
                continue
            mine = re.sub(r"(sudo )?lab/nearlab", NEARLAB, command)
            done = subprocess.run(["bash", "-c", mine], cwd=folder, text=True, timeout=100,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
            # A machine's first run of all makes the video, and says so.
            said = re.sub(r"^nearlab: encoding .*\n", "", done.stdout, flags=re.M)
            told.append((command, shown, said))
    return told


def test_reader_of_the_page_sees_what_it_says_at_every_command(followed):
    """J6: from nothing to a network and a scenario with assertions, which fails when it has to."""
    assert len(followed) >= 10
    for command, shown, output in followed:
        assert shows(shown, output), f"$ {command}\n{output}\ninstead of\n" + "\n".join(shown)


def test_page_is_short_and_its_number_is_in_the_report(followed, folder):
    """J6: under 60 lines of Python together; J5: what was measured."""
    assert followed and MINE.count("\n") < 60
    reports = [json.loads(p.read_text(encoding="utf-8"))
               for p in (folder / "nearlab-report").glob("*/report.json")]
    assert sorted((r["passed"], set(r["measured"])) for r in reports) == [
        (False, set()), (True, {"resumed_ms"})]
    assert {(r["topology"], r["scenario"]) for r in reports} == {("mine", "kill-node")}


MORE = '''

def timed(lab, first="R1", pause=0.3):
    """A script's faults come at their times."""
    done = lab.script(f"""
        0.2  cut   {first}-R2   # the long link
        0.6  slow  S1  50
        0.9  heal
    """)
    times = [at for _, _, at in done]
    lab.check(0.2 <= times[0] < 0.6 <= times[1] < 0.9 <= times[2] < 5, f"in time ({times})")
    lab.check(not lab.faults.broken, "all is healed")
    lab.measured["pause"] = pause


def wrong(lab):
    lab.script("0.1 kill R1\\n9 kill R9")


def lost(lab):
    lab.play("C9", "rtsp://acme.com/news")


def bare(lab):
    assert lab.topo.address("C1") == "10.0.0.1"


scenarios.update(timed=timed, wrong=wrong, lost=lost, bare=bare)
'''


@pytest.fixture
def more(followed, folder):
    """The file of the page with more scenarios, for the lab that the page has brought up."""
    assert followed
    (folder / "more.py").write_text(MINE + MORE, encoding="utf-8")
    return folder / "more.py"


def test_scenario_has_its_parameters_and_a_script_its_times(more, tmp_path):
    """J4: timed from a script."""
    code, report = run_scenario("mine", more, "timed", tmp_path, "--param", "pause=0.5")
    assert code == 0 and report["measured"] == {"pause": 0.5}, report["story"]
    assert report["title"] == "A script's faults come at their times."
    assert report["params"] == {"first": "R1", "pause": 0.5}
    assert [e["where"] for e in report["events"] if e.get("fault")] == ["R1-R2", "S1"]


@pytest.mark.parametrize("scenario,words", [
    ("wrong", "script:2: no node 'R9' (there are: "),
    ("lost", "no node 'C9' (there are: A1, C1, P1, R1, R2, S1, S2, S3, far, near) (more.py:"),
    ("bare", 'not so: assert lab.topo.address("C1") == "10.0.0.1" (more.py:')])
def test_scenario_that_is_wrong_says_what_and_where(more, tmp_path, scenario, words):
    code, report = run_scenario("mine", more, scenario, tmp_path)
    assert code == 1 and words in report["checks"][-1]["text"]
    assert not [e for e in report["events"] if e.get("fault")]


def test_scenario_beside_the_topology_is_found_by_its_name(more, tmp_path):
    (more.parent / "beside.py").write_text(
        '"""Beside."""\ntopologies = ["mine"]\nparams = {"two": 2}\n'
        'def run(lab):\n    lab.check(lab.params["two"] == 2, "two is two")\n', encoding="utf-8")
    code, report = run_scenario("mine", more, "beside", tmp_path)
    assert code == 0 and report["scenario"] == "beside", report["story"]


@pytest.mark.parametrize("argv,words", [
    (["fig3", "kill-arn"], "lab 'mine' is mine, not fig3"),
    (["MORE", "timed", "--param", "delay=70"], "lab 'mine' runs with delay=10"),
    (["MORE", "tamed"], "no scenario 'tamed' in "),
    (["MORE", "timed", "--param", "paws=2"], "no parameter 'paws'")])
def test_run_that_does_not_fit_the_running_lab_is_refused(more, argv, words):
    argv = [str(more) if word == "MORE" else word for word in argv]
    done = nearlab("run", "--name", "mine", *argv, check=False)
    assert done.returncode == 1 and words in done.stderr, done.stderr


@pytest.mark.parametrize("text,words", [
    ("1 kill S1\n0.5 heal\n", ".txt:2: 0.5 s is out of order"),
    ("1 kill S1\n2 kill S9\n", ".txt:2: no node 'S9'"),
    ("# nothing\n", "no line says a fault")])
def test_script_with_a_mistake_breaks_nothing(followed, tmp_path, text, words):
    (tmp_path / "faults.txt").write_text(text, encoding="utf-8")
    done = nearlab("fault", "--name", "mine", "--script", tmp_path / "faults.txt", check=False)
    assert followed and done.returncode == 1 and words in done.stderr, done.stderr
    assert json.loads(nearlab("status", "--name", "mine", "--json").stdout)["faults"] == []


def test_nodes_that_boot_side_by_side_have_one_key(monkeypatch):
    """C5: two nodes that asked at once had one each, and took each other for strangers."""
    def slow(size):
        barrier.wait(5)
        return os.urandom(size)

    barrier = threading.Barrier(2)
    monkeypatch.setattr(nodes, "os", types.SimpleNamespace(urandom=slow))
    with ThreadPoolExecutor(2) as pool:
        keys = set(pool.map(lambda _: nodes.lab_key(), range(2)))
    assert len(keys) == 1 and re.fullmatch(r"1 [0-9a-f]{64}\n", keys.pop())


# ---- scripts, as text ----


def test_script_is_lines_of_seconds_kind_target_and_how_much():
    steps = script.parse("# all\n 0.5 kill sn-agent@S1\n\n2 slow S2 300ms # late\n2 slow-sn\n"
                         "3 lose R1-R2 0.5%\n3 lose S1 100\n3 heal\n")
    assert [tuple(s) for s in steps] == [
        (0.5, "kill", "sn-agent@S1", None, 2), (2.0, "slow", "S2", 300, 4),
        (2.0, "slow-sn", None, 80, 5), (3.0, "lose", "R1-R2", 0.5, 6), (3.0, "lose", "S1", 100, 7),
        (3.0, "heal", None, None, 8)]


@pytest.mark.parametrize("text,words", [
    ("1", "x:1: '1': expected SECONDS"), ("a kill S1", "x:1: 'a' is no number"),
    ("nan kill S1", "out of order"), ("-1 kill S1", "out of order"), ("1e9 kill S1", "within a day"),
    ("\n1 kil S1", "x:2: no fault 'kil'"), ("1 kill", "kill needs a target"),
    ("1 slow S1 soon", "x:1: slow: 'soon': expected 1 to"), ("1 slow S1 0", "'0': expected 1 to"),
    ("1 lose S1", "x:1: lose: expected 0.001 to 100 percent"), ("1 lose S1 0", "'0': expected 0.001"),
    ("1 lose S1 101%", "'101%': expected"), ("1 lose S1 nan", "'nan': expected"),
    ("1 delay S1 -1", "'-1': expected 0 to 10000 milliseconds"),
    ("1 kill S1 5", "kill has no third word: '5'"),
    ("1 slow S1 9 9", "expected SECONDS")])
def test_script_that_is_none_says_which_line(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        script.parse(text, "x")


def test_who_is_hung_while_he_is_slow_stays_hung(monkeypatch):
    timers, sent = [], []
    monkeypatch.setattr(faults.threading, "Timer", lambda _, function: types.SimpleNamespace(
        start=lambda: timers.append(function)))
    monkeypatch.setattr(faults.daemons.os, "kill", lambda pid, sig: sent.append((pid, sig)))
    broken = faults.Faults(None)
    both = {name: types.SimpleNamespace(processes=lambda pid=pid: [pid])
            for name, pid in (("S1", 101), ("S2", 102))}
    monkeypatch.setattr(broken, "daemons", lambda target: [both[target]])
    for kind, target in (("slow", "S1"), ("slow", "S2"), ("hang", "S1")):
        broken.inject(kind, target)
    at = broken.at
    del sent[:]
    for function in timers:
        function()
    assert sent == [(102, signal.SIGCONT)] and broken.at == at


# ---- topologies with mistakes ----

MISTAKES = [  # of mine.py: what is written there, what in its place, the line, what is said
    ('"R1", "R2"', '"R1", "R2', 11, "unterminated string literal"),
    ("topos =", "topoz =", None, "it has no topology: add topos = {"),
    ('{"mine": Mine}', '{"mine": Mine()}', None, "topos['mine'] has to be a class derived from"),
    ("Mine(Internet)", "Mine(Internt)", 4, "NameError: name 'Internt' is not defined"),
    ("self.addAS", "1 / 0; self.addAS", 8, "ZeroDivisionError: division by zero"),
    ("def build(self, delay=10", "def build(self, delay", 7, "parameter 'delay' of build() needs a"),
    ("def build", "def biuld", None, "build() adds no node"),
    ('"R2", 64501', '"R2", 64502', 10, "no AS 64502 (there are: 64501)"),
    ("10.5.0.0/16", "10.5.0.0/24", 8, "expected a prefix of 16 bits"),
    ("10.5.0.0/16", "172.31.0.0/16", 8, "overlaps 172.31.0.0/16 of the lab itself"),
    ("10.5.0.0/16", "10.1.0.0/16", 13, "LAN 'near': 10.5.1.0/24 is not within 10.1.0.0/16"),
    ('"R1")\n        self.addArn', '"R1", next_hop="10.5.1.4")\n        self.addArn', 14, "near's"),
    ('"R2", 64501)', '"R2", 64501); self.addAS(64501, "10.6.0.0/16")', 10, "AS 64501 is there"),
    ('addLink("R1", "R2"', 'addLink("R1", "Q2"', 11, "no node 'Q2' (there are: R1, R2)"),
    ("delay=delay)", "dealy=delay)", 11, "a link has no 'dealy'"),
    ("delay=delay)", "delay=-3)", 11, "link R1-R2: delay -3 ms, jitter 0 ms"),
    ("delay=delay)", 'delay="long")', 11, "delay long ms"),
    ('        self.addLink("R1", "R2", delay=delay)\n', "", 10, "no link leads from 'R1' to R2, far"),
    ('"near", 8', '"near", 6', 16, "node 'S2': 10.5.1.6 is S1's (line 15): give it another number"),
    ('"near", 8', '"near", 1', 16, "node 'S2': 10.5.1.1 is near's (line 13)"),
    ('"near", 8', '"near", 300', 16, "10.5.1.0/24 has no number 300"),
    ('"near", 8', '"near", "8"', 16, "10.5.1.0/24 has no number '8'"),
    ('"S2", "near"', '"S1", "near"', 16, "node 'S1' is there already (line 15)"),
    ('"S1", "near", 6, upstream="S3"', '"S1", "near", 6, upstream="S4"', 15, "upstream: no node 'S4'"),
    ('"S1", "near", 6, upstream="S3"', '"S1", "near", 6, upstraem="S3"', 15, "no option 'upstraem' "
     "(did you mean 'upstream'?)"),
    ('"C1", "R1"', '"C1", "near"', 17, "'near' is a LAN: expected a router"),
    ("10.5.81.0/30", "10.5.81.0/31", 17, "no room for two hosts"),
    ("10.5.81.0/30", "10.5.1.128/30", 17, "10.5.1.128/30 overlaps 10.5.1.0/24 of LAN 'near'"),
    ("10.5.2.0/24", "10.6.2.0/24", 19, "not within 10.5.0.0/16, which is AS 64501's"),
    ("10.5.2.0/24", "10.5.254.0/24", 19, "overlaps 10.5.254.0/23 of the AS's own links"),
    ("10.5.2.0/24", "10.5.2.1/24", 19, "expected such as 10.5.1.0/24"),
    ('"P1", "far", 3', '"P1", "R2", 3', 21, "'R2' is a router: expected a LAN"),
    ('"P1", "far"', '"P-1", "far"', 21, "a name is of letters, digits and"),
    ('"P1", "far"', '"publisher1one", "far"', 21, "'publisher1one-eth0' is too long"),
    ('self.addPublisher("P1", "far", 3)', 'self.addHost("P1")', 21, "the lab has no plain hosts"),
    ('{"kill-node": kill_node}', "[kill_node]", None, "scenarios has to be a dictionary"),
    ('{"kill-node": kill_node}', '{"kill-node": 3}', None, "has to be a function of the lab"),
    ("kill_node(lab, rate=1)", "kill_node(lab, rate)", 27, "parameter 'rate' of kill_node() needs"),
]


@pytest.mark.parametrize("old,new,line,words", MISTAKES, ids=[m[3][:40] for m in MISTAKES])
def test_topology_with_a_mistake_says_what_and_where(tmp_path, monkeypatch, old, new, line, words):
    monkeypatch.chdir(tmp_path)
    text = MINE.replace(old, new, 99 if old == "topos =" else 1)
    assert text != MINE
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(LibraryError) as caught:
        Library().topology("./mine.py").check({})
    said = str(caught.value)
    place = rf"mine\.py:{line}: " if line else r"(\./)?mine\.py:? "
    assert re.match(place, said) and words in said, said


def test_topology_whose_mistakes_are_many_says_all(tmp_path):
    text = MINE.replace('upstream="S3"', 'upstream="S4"')
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(LibraryError, match=r":15: [^\n]*'S4'[^\n]*\n[^\n]*:16: [^\n]*'S4'"):
        Library().topology(f"{tmp_path}/mine.py").check({})


def test_one_of_several_topologies_of_a_file_is_named_after_a_colon(tmp_path):
    text = MINE.replace('topos = {"mine": Mine}', 'import own_helper\ntopos = {"a": Mine, "b": Mine}')
    (tmp_path / "own_helper.py").write_text("", encoding="utf-8")  # what lies beside it is found
    (tmp_path / "two.py").write_text(text, encoding="utf-8")
    path = os.path.join(tmp_path, "two.py")
    assert Library().topology(f"{path}:b").name == "b"
    for wrong, words in ((path, "two.py:a or "), (f"{path}:c", "no topology 'c'")):
        with pytest.raises(LibraryError, match=words):
            Library().topology(wrong)


def test_a_copy_of_a_figure_has_its_scenarios(tmp_path):
    text = (SOURCE / "topologies" / "fig3.py").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    library = Library()
    topology = library.topology(f"{tmp_path}/mine.py")
    assert "kill-arn" in topology.scenarios(library)
    library.scenario("kill-arn", topology).check_topology(topology)

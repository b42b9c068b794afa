# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents say is so: the manual knows every option and no other, with its default and
range; links lead somewhere; examples are valid and work as printed."""

import collections
import hashlib
import json
import pathlib
import re
import socket
import subprocess

import pytest
from conftest import BUILD, SOURCE, wait_until
from lab_tools import nearlab
from near_testlib import Announcer, Daemon, key_file

DOCS = SOURCE / "docs"
MAN = DOCS / "man"
WIRE = DOCS / "protocol"
PAGES = sorted(MAN.iterdir())
TEXTS = [SOURCE / "README.md", *sorted(DOCS.rglob("*.md"))]
CONFIGURATION = {"arn": "arn.conf.5", "sn-agent": "sn-agent.conf.5"}
COMMANDS = {"arn": "arn.8", "sn-agent": "sn-agent.8", "client-failover": "client-failover.1",
            "nearctl": "nearctl.1", "nearlab": "nearlab.1"}


def run(*argv, **kwargs):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30,
                          check=False, **kwargs)


def blocks(page):
    """The literal displays of a manual page."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.MULTILINE | re.DOTALL)
    return [b.replace("\\e", "\\").replace("\\&", "") for b in found]


def fences(page, language=""):
    """The fenced blocks of a Markdown page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# ---- the manual ----


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_manual_page_is_free_of_complaints(page):
    done = run("mandoc", "-T", "lint", "-W", "warning", page)
    assert done.returncode == 0 and not done.stdout, done.stdout


def test_every_document_is_installed():
    listed = set(re.findall(r"\bdocs/(\S+\.\w+)", (DOCS / "local.mk").read_text(encoding="utf-8")))
    there = {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.*") if p.is_file()}
    assert listed == there - {"local.mk"}


def test_manual_pages_refer_to_pages_that_are_there():
    others = {("bird", "8"), ("socat", "1")}
    for page in PAGES:
        for name, section in re.findall(r"^\.?.*\bXr (\S+) (\d)", page.read_text(encoding="utf-8"),
                                        re.MULTILINE):
            assert (MAN / f"{name}.{section}").exists() or (name, section) in others, \
                f"{page.name}: {name}({section})"


Option = collections.namedtuple("Option", "type least most default")


def print_options():
    done = run(BUILD / "tests" / "unit" / "print_options")
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def options_of_tables():
    """{(daemon, section, name): Option}, as the daemons know them."""
    return {tuple(line[:3]): Option(line[3], int(line[4]), int(line[5]), line[6])
            for line in print_options() if len(line) == 7}


def options_of_page(page):
    """{(section, name): what the page says of it}."""
    found, section, current = {}, None, None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith(".Sh"):
            section = current = None
            if line == ".Sh OPTIONS":
                section = ""
        elif line.startswith(".Ss") and section is not None:
            word = line.split()[1]
            section, current = "" if word == "Top" else word, None
        elif section is not None and (item := re.match(r"\.It Ic (\S+) No = ", line)):
            current = section, item.group(1)
            assert current not in found, f"{page.name}: {current} twice"
            found[current] = ""
        elif current and line == ".El":
            current = None
        elif current:
            found[current] += line + " "
    return found


@pytest.mark.parametrize("daemon", CONFIGURATION)
def test_manual_has_every_option_of_the_configuration_and_no_other(daemon):
    known = {(s, n) for d, s, n in options_of_tables() if d == daemon}
    assert known and set(options_of_page(MAN / CONFIGURATION[daemon])) == known


@pytest.mark.parametrize("daemon", CONFIGURATION)
def test_manual_has_the_default_and_the_range_of_every_option(daemon):
    page = options_of_page(MAN / CONFIGURATION[daemon])
    for (owner, section, name), option in options_of_tables().items():
        if owner != daemon:
            continue
        text = page[section, name]
        where = f"{section}.{name}: {text}"
        if option.default == "!":
            assert "Required." in text, where
        elif option.type in ("number", "ms"):
            assert re.search(rf"\bdefault {option.default}\b", text), where
        else:
            shown = re.escape(option.default) if option.default else "Qq"
            assert re.search(rf"[Dd]efault \.Ql {shown} ", text), where
        if option.least or option.most:
            assert re.search(rf"\b{option.least} to {option.most}\b", text), where


@pytest.mark.parametrize("daemon", CONFIGURATION)
def test_manual_has_every_option_that_needs_a_restart_and_no_other(daemon):
    known = [line[2] for line in print_options() if line[:2] == [daemon, "fixed"]]
    # Those that depend on others are no flag in the table.
    known += re.findall(r'strcpy\(name, "(.+)"\);', (SOURCE / daemon / "config.c").read_text())
    text = (MAN / CONFIGURATION[daemon]).read_text(encoding="utf-8").split(".Sh RELOAD")[1]
    written = re.findall(r"^\.Ic ([\w.-]+)", text.split(".Sh ")[0].split("needs a restart")[1], re.M)
    assert len(known) > 10 and sorted(written) == sorted(known)


def test_manual_has_every_level_of_the_log():
    levels = re.findall(r'\[NLOG_\w+\] = "(\w+)"', (SOURCE / "lib/log.c").read_text(encoding="utf-8"))
    for page in CONFIGURATION.values():
        text = options_of_page(MAN / page)["", "log-level"]
        assert len(levels) == 7 and all(f".Ql {level} " in text for level in levels)


def options_of_help(text):
    """Long and short options that a --help shows."""
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])", text))


def options_of_manual(page):
    found = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("."):
            for flag in re.findall(r"\bFl (\S+)", line):
                found |= {f"-{flag}"} if flag != "-" else set()
    return found


@pytest.mark.parametrize("name", [c for c in COMMANDS if c != "nearlab"])
def test_manual_has_every_option_of_the_command_line_and_no_other(program, name):
    shown = run(program(name), "--help")
    assert shown.returncode == 0, shown.stderr
    assert options_of_help(shown.stdout) == options_of_manual(MAN / COMMANDS[name])


def nearlab_commands(program):
    """{command: options} as nearlab's own help has them; those of all commands under ""."""
    shown = run(program("nearlab"), "--help").stdout
    usage = {"": shown.split("\n\n")[0]}
    for command in re.findall(r"^    ([a-z]+)  ", shown, re.MULTILINE):
        usage[command] = run(program("nearlab"), command, "--help").stdout.split("\n\n")[0]
    return {c: options_of_help(text) for c, text in usage.items()}


def test_manual_of_nearlab_has_every_option_of_every_command_and_no_other(program):
    text = (MAN / "nearlab.1").read_text(encoding="utf-8")
    commands = nearlab_commands(program)
    assert len(commands) > 10
    for command, known in commands.items():
        if command:
            lines = re.findall(rf"^\.It Cm {command}(?: .*)?$", text, re.MULTILINE)
        else:
            lines = text.split(".Sh OPTIONS")[1].split(".El")[0].splitlines()
        given = {f"-{f}" for line in lines for f in re.findall(r"\bFl (\S+)", line) if f != "-"}
        assert given | {"-h"} == known | ({"--help", "-h"} if not command else set()), command


def test_lab_page_lists_every_scenario_with_its_topology_and_no_other():
    listing = json.loads(nearlab("list", "--json").stdout)
    table, topology = {}, None
    for row in section_of(DOCS / "lab.md", "## What there is").splitlines():
        cells = [re.findall(r"`([\w-]+)`", cell) for cell in row.split("|")]
        if len(cells) == 5 and cells[3]:
            topology = cells[1][0] if cells[1] else topology
            table.setdefault(topology, []).extend(cells[3])
    assert {t: sorted(s) for t, s in table.items()} == \
        {t: sorted(entry["scenarios"]) for t, entry in listing.items()}


def test_lab_page_says_what_every_scenario_does():
    text = (DOCS / "lab.md").read_text(encoding="utf-8")
    told = text.replace(section_of(DOCS / "lab.md", "## What there is"), "")
    listing = json.loads(nearlab("list", "--json").stdout)
    missing = {s for entry in listing.values() for s in entry["scenarios"] if f"`{s}`" not in told}
    assert not missing


def test_manual_of_nearlab_has_every_kind_of_fault():
    text = (MAN / "nearlab.1").read_text(encoding="utf-8")
    kinds = re.search(r"^KINDS = \((.*?)\)",
                      (SOURCE / "lab/nearlab_lib/faults.py").read_text(encoding="utf-8"),
                      re.MULTILINE | re.DOTALL).group(1)
    for kind in re.findall(r'"(\w+)"', kinds):
        assert re.search(rf"^\.It Cm {kind} ", text, re.MULTILINE), kind


def examples_of_configuration():
    for daemon, page in CONFIGURATION.items():
        for number, text in enumerate(blocks(MAN / page)):
            yield pytest.param(daemon, text, id=f"{page}-{number}")
    for number, text in enumerate(fences(DOCS / "operations.md")):
        if "/etc/nearcast/" in text.splitlines()[0] and ".conf" in text.splitlines()[0]:
            daemon = pathlib.Path(text.split()[1]).stem
            yield pytest.param(daemon, text, id=f"operations.md-{number}")


@pytest.mark.parametrize("daemon,text", examples_of_configuration())
def test_example_of_configuration_is_accepted(program, tmp_path, daemon, text):
    file = tmp_path / "example.conf"
    file.write_text(text, encoding="utf-8")
    done = run(program(daemon), "-c", file, "--check")
    assert done.returncode == 0, done.stderr


def sections_of(text):
    return re.findall(r'^([a-z]+)(?: "\w+")? \{', text, re.MULTILINE)


def fragments_of_operations():
    """Parts of a configuration in operations.md, without those of BIRD."""
    for number, text in enumerate(fences(DOCS / "operations.md")):
        if sections_of(text) and not re.search(r"^(filter|protocol|#)", text, re.MULTILINE):
            yield pytest.param(text, id=f"{number}-{'-'.join(sections_of(text))}")


@pytest.mark.parametrize("text", fragments_of_operations())
def test_part_of_a_configuration_in_operations_fits_into_an_example(program, tmp_path, text):
    file, said = tmp_path / "example.conf", ""
    for daemon in CONFIGURATION:
        example = (DOCS / "examples" / f"{daemon}.conf").read_text(encoding="utf-8")
        example = example.replace("10.2.0.6", "10.8.12.12")  # a neighbour of the overlay is 10.2.0.6
        for name in sections_of(text):
            example = re.sub(rf'^{name}(?: "\w+")? \{{.*?^\}}', "", example, flags=re.M | re.S)
        if "class" in sections_of(text):
            example += 'overlay { address = "10.77.0.12" }\n'
        file.write_text(example + text, encoding="utf-8")
        done = run(program(daemon), "-c", file, "--check")
        if done.returncode == 0:
            return
        said += done.stderr
    assert not said


def test_unit_of_a_node_lets_it_write_where_the_examples_say():
    unit = (SOURCE / "packaging/systemd/sn-agent.service.in").read_text(encoding="utf-8")
    places = {f"/{top}/{name}" for kind, top in (("State", "var/lib"), ("Cache", "var/cache"))
              for name in re.findall(rf"^{kind}Directory=(\w+)$", unit, re.MULTILINE)}
    named = set()
    for page in (DOCS / "operations.md", MAN / "sn-agent.conf.5"):
        named |= set(re.findall(r'\b(?:cache|database) = "(/[^"]+)"',
                                page.read_text(encoding="utf-8")))
    assert named and all(any(f"{n}/".startswith(f"{p}/") for p in places) for n in named)


def test_both_daemons_have_examples():
    assert {p.values[0] for p in examples_of_configuration()} == {"arn", "sn-agent"}
    assert sum("operations" in p.id for p in examples_of_configuration()) == 2


# ---- links ----


def anchors(page):
    """The names that a forge gives the headings of a Markdown page."""
    found = set()
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", TEXTS, ids=lambda p: str(p.relative_to(SOURCE)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            wrong.append(target)
    assert not wrong


@pytest.mark.parametrize("page", TEXTS, ids=lambda p: str(p.relative_to(SOURCE)))
def test_sources_that_are_named_are_there(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    names = re.findall(r"`((?:arn|sn-agent|client-failover|lab|lib|nearctl|packaging|tests|"
                       r"topologies)/[\w./-]*)`", text)
    wrong = [n for n in names if not (SOURCE / n).exists() and not (BUILD / n).exists()]
    assert not wrong


@pytest.mark.parametrize("folder", ["arn", "sn-agent", "client-failover", "lib", "nearctl"])
def test_architecture_names_every_source_once(folder):
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    there = {f.name for f in (SOURCE / folder).glob("*.c")} - {"main.c"}
    part = next(p for p in re.split(r"^### ", text, flags=re.MULTILINE)[1:]
                if f"`{folder}/`" in p.splitlines()[0])
    part = part.split("\n## ")[0]
    if "nearctl" in part.splitlines()[0]:
        tables, rest = part.split("\nOne file includes")
        part = tables if folder == "lib" else rest.split("\n\n", 1)[1]
    named = re.findall(r"`(\w+\.c)`", part)
    assert sorted(named) == sorted(there)


# ---- the wire ----


def hexdump(text):
    """The bytes of a dump with offsets and remarks."""
    return bytes.fromhex("".join(
        re.match(r"[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)", line).group(1) for line in text.splitlines()))


def test_protocol_lists_every_header_that_it_tells_of():
    header = re.compile(r"Nearcast-[A-Z][a-z]+")
    listed = header.findall(section_of(DOCS / "protocol.md", "## Headers"))
    told = {h for page in WIRE.iterdir() for h in header.findall(page.read_text(encoding="utf-8"))}
    assert len(listed) > 5 and sorted(listed) == sorted(told)


def test_protocol_has_a_line_for_each_of_its_pages():
    listed = re.findall(r"^\| \[.*?\]\(protocol/([\w-]+\.md)\)",
                        (DOCS / "protocol.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(p.name for p in WIRE.iterdir())


def test_example_of_an_announcement_is_authentic():
    dump = next(b for b in fences(WIRE / "lan.md") if "NCST" in b and b.startswith("0000"))
    text = (WIRE / "lan.md").read_text(encoding="utf-8")
    key = bytes.fromhex(re.search(r"`([0-9a-f]{64})`", text).group(1))
    data = hexdump(dump)
    assert data[:4] == b"NCST"
    assert hashlib.blake2b(data[:-32], key=key, digest_size=32).digest() == data[-32:]
    assert data[8:16] == hashlib.blake2b(b"sn806", digest_size=16).digest()[:8]
    assert data[40:41] == b"\xad" and socket.inet_aton("10.2.0.6") in data


def test_example_of_a_nack_is_one():
    dump = next(b for b in fences(WIRE / "node.md") if "RTPFB" in b)
    data, at, types = hexdump(dump), 0, []
    while at < len(data):
        types.append(data[at + 1])
        last, at = at, at + 4 * (1 + int.from_bytes(data[at + 2:at + 4], "big"))
    assert types == [201, 202, 205] and at == len(data)
    assert data[last] & 31 == 1 and int.from_bytes(data[last + 12:last + 14], "big") == 2466


@pytest.fixture
def daemons(namespaces, program, tmp_path):
    """Both daemons in one namespace. The ARN's hold is so long that it never raises its block."""
    space = namespaces("docs")
    space.run("ip", "link", "set", "lo", "multicast", "on")
    common = f'key-file = "{key_file(tmp_path)}"\ninterface = "lo"\n'
    texts = {
        "arn": common + 'name = "a"\nmanagement = "127.0.0.1:7780"\nrtsp { port = 5540 }\n'
               'anycast { block = "10.1.18.0/24" hold = 3600000 }\n'
               'sites { port = 7712 }\nsite "b" { address = "127.0.0.8" }\n'
               'flood { share = yes }\nplace = "here"\nmeasure { clients = yes }\n',
        "sn-agent": common + 'name = "s"\nmanagement = "127.0.0.1:7781"\naddress = "127.0.0.1"\n',
    }
    return {name: Daemon(space, program(name), tmp_path, name, text)
            for name, text in texts.items()}


def metrics(daemons, name):
    """The names of a daemon's metrics."""
    port = {"arn": 7780, "sn-agent": 7781}[name]
    text = daemons[name].space.run("curl", "-sf", f"http://127.0.0.1:{port}/metrics").stdout
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def section_of(page, heading):
    """The text below a heading, up to the next of its rank."""
    rank = heading.split()[0]
    text = page.read_text(encoding="utf-8")
    return re.search(rf"^{heading}$(.*?)(?=^{rank} |\Z)", text, re.M | re.S).group(1)


@pytest.mark.parametrize("daemon,prefix", [("arn", "nearcast_arn_"), ("sn-agent", "nearcast_sn_")])
def test_protocol_has_every_metric_and_no_other(daemons, daemon, prefix):
    written = {m for m in re.findall(r"`(nearcast_\w+)(?:\{[\w,]+\})?`",
                                     section_of(WIRE / "management.md", "## Metrics"))
               if m.startswith(prefix) and m != prefix}
    assert metrics(daemons, daemon) == written


def test_operations_watches_metrics_that_there_are(daemons):
    there = metrics(daemons, "arn") | metrics(daemons, "sn-agent")
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(nearcast_(?:arn|sn)_\w+)", text))
    assert named and named <= there


def test_manual_has_every_command_of_the_control_sockets_and_no_other(daemons):
    known = {"help"}
    for daemon in daemons.values():
        known |= {c["command"] for c in daemon.ask("help")["commands"]}
    text = (MAN / "nearctl.1").read_text(encoding="utf-8").split(".Sh COMMANDS")[1]
    written = re.findall(r"^\.It Cm ([a-z ]+?)(?= Ar|$)", text.split(".Sh EXIT")[0], re.MULTILINE)
    assert set(written) == known


@pytest.mark.parametrize("daemon,command", [
    ("arn", "show status"), ("arn", "show nodes"), ("arn", "explain rtsp://a/b 10.0.0.1"),
    ("sn-agent", "show status"), ("sn-agent", "show sessions"), ("sn-agent", "show upstreams")])
def test_protocol_has_every_member_of_an_answer(daemons, daemon, command):
    if daemon == "arn":
        wait_until(lambda: daemons["arn"].ask("show nodes")["nodes"], "the ARN hears the node")
    row = next(line for line in section_of(WIRE / "management.md", "## The control socket").splitlines()
               if line.startswith(f"| `{command.split(' rtsp')[0]}"))
    written = set(re.findall(r"`(\w+)`", row))
    body = daemons[daemon].ask(command)
    members = set(body)
    for value in body.values():
        for item in value if isinstance(value, list) else [value]:
            members |= set(item) if isinstance(item, dict) else set()
    assert members <= written


def test_protocol_has_every_member_of_a_peer(daemons):
    peer = Announcer(daemons["arn"].space, "lo", "b", "127.0.0.9", role=2, block="10.1.18.0/24")

    def heard():
        peer.send()
        return daemons["arn"].ask("show peers")["peers"]

    found = wait_until(heard, "the ARN hears another one")
    row = next(line for line in section_of(WIRE / "management.md", "## The control socket").splitlines()
               if line.startswith("| `show peers`"))
    assert set(found[0]) | {"peers", "addresses"} == set(re.findall(r"`(\w+)`", row.split("|")[2]))
    assert found[0]["arn"] == "b" and found[0]["standing"] == "ready"
    peer.close()


def test_protocol_has_every_reason_of_the_election_and_no_other():
    text = (SOURCE / "arn/election.c").read_text(encoding="utf-8")
    why = "".join(re.findall(r"^static const char \*why_.*?^}", text, re.M | re.S))
    known = set(re.findall(r'"([a-z ]+)"', why))
    known |= set(re.findall(r'(?:loss = |forget\(e, [^"]*)"([a-z ]+)"', text))
    row = next(line for line in section_of(WIRE / "management.md", "## Events").splitlines()
               if line.startswith("| `master`, `backup` |"))
    written = re.findall(r"`([a-z ]+)`", re.search(r"\(master: (.*?)\)", row).group(1))
    assert len(known) > 8 and set(written) == known


def test_protocol_has_every_key_of_an_announcement():
    source = (SOURCE / "lib/announce.c").read_text(encoding="utf-8")
    known = dict(re.findall(r'^\t\{(\d+), [A-Z]+, \w+, "([a-z ]+)"', source, re.M))
    table = section_of(WIRE / "lan.md", "### The payload")
    assert len(known) > 16 and dict(re.findall(r"^\| (\d+) \| ([a-z ]+) \|", table, re.M)) == known
    header = (SOURCE / "lib/wire.h").read_text(encoding="utf-8")
    drawn = re.findall(r"^ \*\s+(\d+)  ([a-z]+(?: [a-z]+)?)  ", header, re.M)
    assert dict(drawn) == known


def emitted(*folders):
    """The names of the events in the sources of some folders."""
    found = set()
    for folder in folders:
        for file in (SOURCE / folder).glob("*.c"):
            text = file.read_text(encoding="utf-8")
            for call in re.findall(r"\b(?:event_emit|emit(?:_\w+)?|say_channel|channel_goes|node_event)"
                                   r"\(([^;{]*?)\);", text):
                found |= set(re.findall(r'"([a-z]+(?:[-_][a-z]+)*)"', call))
    return found


@pytest.mark.parametrize("folder", ["arn", "sn-agent"])
def test_protocol_has_every_event_and_no_other(folder):
    section = section_of(WIRE / "management.md", "## Events")
    table = section.split(f"| event of `{folder}` |")[1].split("\n\n")[0]
    written = set()
    for row in table.splitlines()[2:]:
        written |= set(re.findall(r"`([a-z_-]+)`", row.split("|")[1]))
    assert emitted(folder) == written


def test_manual_of_the_client_has_every_event_and_no_other():
    text = (MAN / "client-failover.1").read_text(encoding="utf-8")
    written = re.findall(r"^\.It Ic (\w+)$", text, re.MULTILINE)
    assert emitted("client-failover") == set(written) and len(written) == len(set(written))


# ---- operations and lab ----


def test_bird_accepts_the_snippets(tmp_path):
    snippets = [b for b in fences(DOCS / "operations.md") if "filter anycast_block" in b]
    assert len(snippets) == 3
    for text in snippets:
        head = "" if "protocol device" in text else \
            "protocol device {}\nprotocol bfd {}\nprotocol direct { ipv4; }\n"
        file = tmp_path / "bird.conf"
        router = "" if text.startswith("router id") else "router id 10.2.0.4;\n"
        file.write_text(router + head + text, encoding="utf-8")
        done = run("bird", "-p", "-c", file)
        assert done.returncode == 0, done.stderr


def test_picture_of_the_lab_is_small():
    assert (DOCS / "timeline.png").stat().st_size < 150_000

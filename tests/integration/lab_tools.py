# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's tests share: the command, and a picture of the host before and after."""

import json
import os
import subprocess
import sys

from conftest import BUILD, wait_until

NEARLAB = str(BUILD / "lab" / "nearlab")


def nearlab(*argv, check=True, timeout=120, **kwargs):
    """Runs the command to its end; CompletedProcess with text."""
    done = subprocess.run(
        [NEARLAB, *map(str, argv)], text=True, capture_output=True, timeout=timeout,
        stdin=subprocess.DEVNULL, **kwargs
    )
    if check:
        assert done.returncode == 0, f"nearlab {argv}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def in_node(name, node, *argv, **kwargs):
    """Runs a command in a node of the lab `name`."""
    return nearlab("exec", "--name", name, node, "--", *argv, **kwargs)


def run_scenario(name, topology, scenario, report, *more, timeout=120):
    """Runs a scenario in the running lab of that name, or in one of its own. (exit code, report)"""
    done = nearlab("run", "--name", name, topology, scenario, "--report", report, "--json", *more,
                   check=False, timeout=timeout)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"no report: {done.returncode}\n{done.stdout}{done.stderr}") from None
    if not result["passed"]:
        print("\n".join(result["story"]), file=sys.stderr)
    return done.returncode, result


def children(pid):
    """Pids of a process's children."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                        found.append(int(entry))
            except (OSError, ValueError):
                continue
    return found


def descendants(pid):
    """{pid: command line} of all that a process has started, and what they have."""
    found = {}
    queue = children(pid)
    while queue:
        one = queue.pop()
        try:
            with open(f"/proc/{one}/cmdline", "rb") as file:
                found[one] = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue
        queue += children(one)
    return found


def _command(*argv):
    return subprocess.run(argv, text=True, capture_output=True, check=True).stdout


def _files(folder):
    found = set()
    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if f != "__pycache__"]
        found |= {os.path.join(place, n) for n in folders + files}
    return found


def host(*folders):
    """All of the host that a lab could touch. What a lab's own folder has is left out."""
    own = os.environ.get("NEARLAB_STATE", "/run/nearlab")
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = sorted(line.split(" ", 1)[1] for line in file)
    files = {f for folder in ("/run", *map(str, folders)) for f in _files(folder)
             if not (f + "/").startswith(own + "/")}
    strangers = {f"/{d}/{n}" for d in ("tmp", "var/tmp", "dev/shm") for n in os.listdir(f"/{d}")
                 if any(w in n.lower() for w in ("vde", "bird", "mininet", "nearlab", "tcpdump"))}
    limits = {}
    for name in ("fs/file-max", "kernel/pty/max", "net/core/somaxconn", "net/ipv4/ip_forward"):
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            limits[name] = file.read().strip()
    etc = {n: os.stat(f"/etc/{n}").st_mtime_ns for n in ("hosts", "passwd") if
           os.path.exists(f"/etc/{n}")}
    with open("/etc/hosts", encoding="utf-8") as file:
        etc["text"] = file.read()
    return {
        "links": _command("ip", "-o", "link"),
        "addresses": _command("ip", "-o", "addr"),
        "routes": _command("ip", "-o", "route", "show", "table", "all"),
        "rules": _command("ip", "rule"),
        "mounts": mounts,
        "processes": {int(p) for p in os.listdir("/proc") if p.isdigit()} - {os.getpid()},
        "files": files | strangers,
        "limits": limits,
        "etc": etc,
    }


def wait_same(before, *folders):
    """Until the host is what it was; fails with what is not."""

    def same():
        now = host(*folders)
        # What took the picture is a process too; only those that stay are of interest.
        now["processes"] = {p for p in now["processes"] if os.path.exists(f"/proc/{p}")}
        for what, value in before.items():
            if what == "processes":
                assert now[what] <= value, f"left: {[_line(p) for p in now[what] - value]}"
            else:
                assert now[what] == value, f"{what}: {now[what]} instead of {value}"
        return True

    wait_until(same, "the host is as before", 10)


def _line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return f"{pid} " + file.read().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return str(pid)

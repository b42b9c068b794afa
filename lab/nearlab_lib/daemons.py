# SPDX-License-Identifier: GPL-2.0-or-later
"""
A process that runs in a node for as long as the lab: started with its output in a log file of the
node, found again by name, killed, stopped, continued, restarted.

The programs of nearcast are those of the build tree that this command runs from; installed, those
of the PATH; $NEARCAST_BINDIR (a list of folders, ':' between) goes before both.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

PROGRAMS = {"arn": "arn", "sn-agent": "sn-agent", "client-failover": "client-failover",
            "nearctl": "nearctl"}


class MissingProgram(Exception):
    """A program that the lab needs is not there; the text says how to get it."""


def program_folders():
    """Where nearcast's own programs are looked for before the PATH."""
    folders = [f for f in os.environ.get("NEARCAST_BINDIR", "").split(":") if f]
    script = os.environ.get("NEARLAB_SCRIPT")
    if script:
        build = os.path.dirname(os.path.dirname(script))
        folders += [os.path.join(build, f) for f in PROGRAMS.values()]
        folders += [os.path.dirname(script), os.path.join(build, "sbin")]
    return folders


def search_path():
    """The PATH of everything that runs in a lab."""
    standard = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    given = os.environ.get("PATH", "").split(":")
    folders = [f for f in program_folders() if os.path.isdir(f)]
    return ":".join(dict.fromkeys(folders + [g for g in given if g] + standard))


def find(program):
    """The file of a program, or MissingProgram."""
    path = shutil.which(program, path=search_path())
    if not path:
        hint = ("build it (make), or set NEARCAST_BINDIR" if program in PROGRAMS
                else f"apt-get install {PACKAGES.get(program, program)}")
        raise MissingProgram(f"{program}: not found: {hint}")
    return path


PACKAGES = {"bird": "bird2", "knotd": "knot", "birdc": "bird2", "wirefilter": "vde2", "vde_plug": "vde2",
            "mnexec": "mininet", "nft": "nftables", "nginx": "nginx-light", "ip": "iproute2", "ss": "iproute2"}


def node_environment(env=None):
    """What processes in a node get: nothing of them goes into the user's own folders."""
    env = dict(os.environ if env is None else env)
    for name in list(env):
        if name.startswith("NEARLAB_") or name in ("PYTHONPATH", "DISPLAY", "XAUTHORITY"):
            del env[name]
    env.update(PATH=search_path(), TMPDIR="/run/tmp", XDG_CACHE_HOME="/run/cache",
               XDG_RUNTIME_DIR="/run", HISTFILE="/dev/null", PYTHONDONTWRITEBYTECODE="1")
    return env


def kill(pids, sig):
    """Sends a signal to all of these processes that there are."""
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


class Daemon:
    """One process of a node, under a name."""

    def __init__(self, node, name, argv):
        self.node, self.name, self.argv = node, name, argv
        self.process = None
        self.log = node.file(f"run/{name}.log")

    def start(self):
        """Starts it unless it runs."""
        if self.alive():
            return
        with open(self.log, "ab") as log:
            self.process = self.node.popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, env=node_environment(), cwd="/")

    def alive(self):
        """Whether it runs (a stopped process does)."""
        return self.process is not None and self.process.poll() is None

    def state(self):
        """'running', 'stopped' (by a signal), 'exited N', 'killed by N', 'not started'."""
        if self.process is None:
            return "not started"
        code = self.process.poll()
        if code is not None:
            return f"exited {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as file:
                return "stopped" if file.read().rsplit(")", 1)[1].split()[0] == "T" else "running"
        except FileNotFoundError:  # another thread has asked, and buried it
            return self.state()

    def last_words(self):
        """The end of its log."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-5:]).strip()

    def processes(self):
        """Its pid and those of its descendants: a daemon may have a guardian and a worker."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                        parent = int(file.read().rsplit(")", 1)[1].split()[1])
                except (OSError, ValueError):
                    continue
                children.setdefault(parent, []).append(int(entry))
        found = [self.process.pid] if self.alive() else []
        for pid in found:
            found += children.get(pid, [])
        return found

    def signal(self, sig, everyone=False):
        """Sends a signal to the process, or to it and all its descendants."""
        kill(self.processes() if everyone else self.processes()[:1], sig)

    def stop(self, timeout=5.0):
        """SIGTERM, and SIGKILL after `timeout` seconds."""
        if not self.alive():
            return
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            print(f"{self.node.name}: {self.name} did not end at SIGTERM", file=sys.stderr)
            self.signal(signal.SIGKILL, everyone=True)
            self.process.wait()

    def restart(self):
        """Ends what is left of it and starts it anew."""
        if self.alive():
            self.signal(signal.SIGKILL, everyone=True)
            self.process.wait()
        self.start()


def wait_until(condition, timeout, what="", step=0.05):
    """Polls until condition() is true, and returns what it gave; TimeoutError names `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what or condition.__name__}")
        time.sleep(step)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the integration tests share: the built programs, namespaces, waiting.

The tests run inside `tests/integration/sandbox`: network, mount and process namespaces that end with
pytest, and an empty /run. Whatever a test leaves behind therefore goes away, and nothing that it does
can reach the host.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("NEARCAST_BUILDDIR", SOURCE)).resolve()


def pytest_sessionstart(session):
    """Refuses to run where a test's mistake would reach the host."""
    links = _links()
    if links or os.geteuid() != 0 or not os.path.ismount("/run"):
        raise pytest.UsageError(
            "these tests run in tests/integration/sandbox: use `make check LEVEL=integration "
            f"PYTESTFLAGS='-k NAME'` (links here: {' '.join(sorted(links)) or 'none'})"
        )


def _links():
    """Links of this network namespace besides those every new one has."""
    out = subprocess.run(
        ["ip", "-br", "link"], check=True, capture_output=True, text=True
    ).stdout
    born_with = {"lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0"}
    born_with |= {"ip6tnl0", "ip6gre0"}
    return {line.split()[0].split("@")[0] for line in out.splitlines()} - born_with


def wait_until(condition, what, timeout=10.0, interval=0.02):
    """Polls condition() until it is true, and returns what it gave; fails after timeout seconds.

    An AssertionError inside condition() counts as "not yet", and is shown when it stays so.
    """
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            result = condition()
            if result:
                return result
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            reason = f": {last}" if last else ""
            pytest.fail(f"not within {timeout} s: {what}{reason}")
        time.sleep(interval)


@pytest.fixture(scope="session")
def program():
    """program(NAME) is the path of a program of this build: arn, sn-agent, client-failover…"""
    folders = {"nearlab": BUILD / "lab"}

    def find(name):
        path = folders.get(name, BUILD / name) / name
        assert os.access(path, os.X_OK), f"{path} is not built"
        return str(path)

    return find


class Namespace:
    """A network namespace. A context manager; its processes end with it."""

    def __init__(self, name):
        self.name = name
        self.processes = []
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def run(self, *argv, check=True, timeout=30, **kwargs):
        """Runs a command to its end, and returns the CompletedProcess (text, output captured)."""
        kwargs.setdefault("capture_output", True)
        done = subprocess.run(self.command(*argv), text=True, timeout=timeout, **kwargs)
        if check and done.returncode != 0:
            pytest.fail(
                f"{self.name}: {' '.join(map(str, argv))}: exit status {done.returncode}\n"
                f"{done.stdout or ''}{done.stderr or ''}"
            )
        return done

    def start(self, *argv, log=None, **kwargs):
        """Starts a command in the background; what it prints goes to the file log."""
        if log is not None:
            with open(log, "ab") as out:
                process = subprocess.Popen(
                    self.command(*argv), stdout=out, stderr=out, stdin=subprocess.DEVNULL, **kwargs
                )
        else:
            process = subprocess.Popen(self.command(*argv), **kwargs)
        self.processes.append(process)
        return process

    def stop(self, process, sig=signal.SIGTERM, timeout=5):
        """Ends a process and returns its exit status."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.send_signal(sig)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{process.args}: still there {timeout} s after signal {sig}")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=True)


@pytest.fixture
def namespaces():
    """namespaces(NAME) makes a network namespace that lives as long as the test."""
    made = []

    def make(name):
        space = Namespace(name)
        made.append(space)
        return space

    yield make
    for space in reversed(made):
        space.close()


@pytest.fixture
def link():
    """link(A, IF_A, B, IF_B) joins two namespaces by a veth pair whose ends are up."""

    def make(space_a, name_a, space_b, name_b):
        subprocess.run(
            ["ip", "link", "add", name_a, "netns", space_a.name, "type", "veth"]
            + ["peer", "name", name_b, "netns", space_b.name],
            check=True,
        )
        space_a.run("ip", "link", "set", name_a, "up")
        space_b.run("ip", "link", "set", name_b, "up")

    return make

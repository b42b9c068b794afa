# SPDX-License-Identifier: GPL-2.0-or-later
"""nearctl against a control socket: what it sends, shows, and exits with."""

import json
import pathlib
import socket
import subprocess
import threading

import pytest


class Daemon:
    """Answers on a control socket from a table, as the daemons do."""

    def __init__(self, path, answers):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.answers = answers
        self.asked = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        self.path.unlink()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rw", encoding="utf-8") as stream:
                for line in stream:
                    self.asked.append(line.rstrip("\n"))
                    stream.write(self.answers.get(line.strip(), '400 {"error":"no such command"}') + "\n")
                    stream.flush()


@pytest.fixture
def nearctl(program):
    def run(*words):
        return subprocess.run(
            [program("nearctl"), *words], capture_output=True, text=True, timeout=30, check=False
        )

    return run


NODES = '200 {"nodes":[{"name":"sn9","sessions":5},{"name":"sn806","sessions":12}]}'


def test_words_are_sent_and_the_answer_is_a_table(nearctl, tmp_path):
    with Daemon(tmp_path / "s", {"show nodes": NODES}) as daemon:
        done = nearctl("-s", str(daemon.path), "show", "nodes")
    assert daemon.asked == ["show nodes"]
    assert done.stdout == "NAME   SESSIONS\nsn9           5\nsn806        12\n"
    assert (done.stderr, done.returncode) == ("", 0)


def test_json_is_the_answer_as_it_came(nearctl, tmp_path):
    with Daemon(tmp_path / "s", {"show nodes": NODES}) as daemon:
        done = nearctl("show", "nodes", "--json", "-s", str(daemon.path))
    assert json.loads(done.stdout) == json.loads(NODES[4:])
    assert done.returncode == 0


def test_refusal_is_told_and_is_exit_code_1(nearctl, tmp_path):
    with Daemon(tmp_path / "s", {"drain": '409 {"error":"already draining"}'}) as daemon:
        done = nearctl("-s", str(daemon.path), "drain")
    assert (done.stdout, done.stderr) == ("", "nearctl: 409 already draining\n")
    assert done.returncode == 1


def test_no_daemon_is_exit_code_69(nearctl, tmp_path):
    done = nearctl("-s", str(tmp_path / "none"), "show", "status")
    assert done.returncode == 69
    assert str(tmp_path / "none") in done.stderr


def test_answer_that_is_none_is_exit_code_69(nearctl, tmp_path):
    with Daemon(tmp_path / "s", {"show status": "gibberish"}) as daemon:
        done = nearctl("-s", str(daemon.path), "show", "status")
    assert done.returncode == 69
    assert "no code" in done.stderr


def test_default_sockets_are_tried_in_order(nearctl):
    status = "/run/nearcast/{}.sock"
    with Daemon(status.format("sn"), {"show status": '200 {"name":"sn806"}'}):
        done = nearctl("show", "status")
        assert (done.stdout, done.stderr) == ("name: sn806\n", "")
        with Daemon(status.format("arn"), {"show status": '200 {"name":"arn804"}'}):
            assert nearctl("show", "status").stdout == "name: arn804\n"
    done = nearctl("show", "status")
    assert done.returncode == 69
    assert "arn.sock" in done.stderr and "sn.sock" in done.stderr


def test_bad_usage_is_exit_code_64(nearctl):
    assert nearctl().returncode == 64
    assert nearctl("--no-such-option", "show").returncode == 64
    assert nearctl("show\nstatus").returncode == 64


def test_help_and_version_are_exit_code_0(nearctl):
    assert "usage: nearctl" in nearctl("--help").stdout
    assert nearctl("--version").stdout.startswith("nearctl (nearcast) ")

# SPDX-License-Identifier: GPL-2.0-or-later
"""The configurations in docs/examples are what an operator starts from: they must be valid."""

import subprocess

import pytest
from conftest import SOURCE

EXAMPLES = SOURCE / "docs" / "examples"


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("daemon", ["arn", "sn-agent"])
def test_daemon_accepts_its_example(program, daemon):
    done = run(program(daemon), "-c", str(EXAMPLES / f"{daemon}.conf"), "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("daemon", ["arn", "sn-agent"])
def test_daemon_names_the_line_of_a_mistake_in_its_example(program, daemon, tmp_path):
    lines = (EXAMPLES / f"{daemon}.conf").read_text(encoding="utf-8").splitlines()
    number = next(i for i, line in enumerate(lines) if line.startswith("management"))
    lines[number] = 'management = "nowhere"'
    broken = tmp_path / f"{daemon}.conf"
    broken.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = run(program(daemon), "-c", str(broken), "--check")
    assert done.returncode == 78
    assert f"{broken.name}:{number + 1}:" in done.stderr


@pytest.mark.parametrize("name", ["bird.conf", "bird-overlay.conf"])
def test_bird_accepts_its_example(name):
    done = run("bird", "-p", "-c", str(EXAMPLES / name))
    assert done.returncode == 0, done.stderr

# SPDX-License-Identifier: GPL-2.0-or-later
"""What all programs have in common on the command line."""

import re
import subprocess

import pytest
from conftest import SOURCE

PROGRAMS = ["arn", "sn-agent", "client-failover", "nearctl", "nearlab"]


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_version_is_that_of_the_release(program, name):
    configure = (SOURCE / "configure.ac").read_text(encoding="utf-8")
    version = re.search(r"AC_INIT\(\[nearcast\], \[(.*?)\]", configure).group(1)
    done = run(program(name), "--version")
    assert done.returncode == 0
    assert done.stdout.split()[0] == name
    assert done.stdout.split()[-1] == version


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_goes_to_standard_output_and_names_the_options(program, name):
    done = run(program(name), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ") or done.stdout.startswith("Usage: ")
    assert "--version" in done.stdout and not done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_unknown_option_is_a_usage_error_that_is_named(program, name):
    command = ["list"] if name == "nearlab" else []
    done = run(program(name), *command, "--no-such-option")
    assert done.returncode == 64  # EX_USAGE
    assert "no-such-option" in done.stderr and not done.stdout

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benches of one machine share: commands, processes, what a core does."""

import contextlib
import os
import pathlib
import subprocess


def sh(*command, **options):
    """Runs a command that has to succeed."""
    return subprocess.run([str(c) for c in command], check=True, text=True, **options)


def stop(process):
    """Ends a process, by SIGKILL if it has not ended in 10 s."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    if process.poll() is None:
        process.kill()
        process.wait()


def cpu(core):
    """(busy, idle) seconds of a core so far."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            v = [int(x) / os.sysconf("SC_CLK_TCK") for x in line.split()[1:9]]
            return sum(v) - v[3] - v[4], v[3] + v[4]
    raise SystemExit(f"no core {core}")

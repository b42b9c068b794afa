# SPDX-License-Identifier: GPL-2.0-or-later
"""A link with a delay between two namespaces, by VDE's wirefilter, as the lab's are: kernels of machines
that test this have no netem."""

import fcntl
import os
import socket
import subprocess

from conftest import wait_until


def _pipe():
    """Keeps the bounds of what is written: wirefilter loses its place in a stream when it fills."""
    ends = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 128 * 4096)
    return ends


class Wire:
    """Joins two namespaces by an interface of the same name in each, which are up when it is there."""

    def __init__(self, one, two, name, folder):
        self.manage = str(folder / f"{name}.mgmt")
        pipes = [_pipe() for _ in range(4)]
        to_one, from_one, to_two, from_two = pipes
        for space, to, back in ((one, to_one, from_one), (two, to_two, from_two)):
            space.run("ip", "tuntap", "add", name, "mode", "tap")
            space.run("ip", "link", "set", name, "up")
            space.processes.append(subprocess.Popen(
                space.command("vde_plug", f"tap://{name}"), stdin=to[0], stdout=back[1]))
        one.processes.append(subprocess.Popen(
            ["wirefilter", "-N", "-M", self.manage], stdin=from_one[0], stdout=to_one[1],
            pass_fds=(from_two[0], to_two[1]),
            env={**os.environ, "ALTERNATE_STDIN": str(from_two[0]),
                 "ALTERNATE_STDOUT": str(to_two[1])}))
        for fd in sum(map(list, pipes), []):
            os.close(fd)
        wait_until(lambda: os.path.exists(self.manage), "the wire is there")

    def delay(self, each_way, jitter=0):
        """Milliseconds; jitter: more or less by so many."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(self.manage)
            s.sendall(f"delay {each_way}+{jitter}\n".encode())
            answer = b""
            while b"1000 Success" not in answer:
                piece = s.recv(4096)
                assert piece, answer
                answer += piece

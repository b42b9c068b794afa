# SPDX-License-Identifier: GPL-2.0-or-later
"""
Work of the lab's own process within a node's namespaces, without starting a program for it.

Namespaces belong to threads. So a thread of its own enters those of the node, does what is to be
done, and ends; what it has opened (a socket) stays the node's, and can be used from any thread.
"""

import ctypes
import os
import subprocess
import threading

from . import daemons
from .isolate import CLONE_NEWNET, CLONE_NEWNS, IsolationError, libc

CLONE_FS = 0x00000200


def _enter(pid, kind, flag):
    fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, flag) != 0:
            raise IsolationError(f"cannot enter the {kind} namespace of {pid}: "
                                 f"{os.strerror(ctypes.get_errno())}")
    finally:
        os.close(fd)


def run(pid, function, *args, files=False):
    """
    function(*args) in the network namespace of a node, whose shell is `pid`; files: and in its mount
    namespace, so that paths are the node's. Returns what it returns, raises what it raises; programs
    that it starts are in the same namespaces.
    """
    outcome = []

    def work():
        try:
            _enter(pid, "net", CLONE_NEWNET)
            if files:
                libc.unshare(CLONE_FS)  # the kernel wants a root and a working folder of its own
                _enter(pid, "mnt", CLONE_NEWNS)
            outcome.extend((function(*args), None))
        except BaseException as error:  # pylint: disable=broad-except
            outcome.extend((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    result, error = outcome
    if error is not None:
        raise error
    return result


def _commands(argv, lines):
    """Has one process go through many commands. ValueError with its words when one of them fails."""
    done = subprocess.run(argv, input="\n".join([*lines, ""]), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise ValueError(f"{os.path.basename(argv[0])}: {done.stdout.strip()}")


def ip(lines):
    """Commands of ip(8), without the word."""
    _commands(["ip", "-batch", "-"], lines)


def add_filter(table, chain):
    """A packet filter: a table of nft(8), such as "inet deaf", with one chain of these rules."""
    _commands([daemons.find("nft"), "-f", "-"], [f"table {table} {{ chain c {{ {chain} }}; }}"])


def remove_filter(table):
    """And its end; if there is none, no error."""
    _commands([daemons.find("nft"), "-f", "-"], [f"add table {table}; delete table {table}"])


def sysctl(values):
    """Sets net.ipv4's: {"conf/all/rp_filter": 0, …}. Whose they are is decided by the thread's network."""
    for name, value in values.items():
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(str(value))

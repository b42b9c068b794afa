# SPDX-License-Identifier: GPL-2.0-or-later
"""
The folder of a running lab: all that a lab ever writes on the host.

    ROOT/NAME/lock       held (flock) by the lab's init and keeper: free means that the lab is gone
    ROOT/NAME/control    Unix socket of the keeper: a JSON request a line, a JSON answer a line
    ROOT/NAME/lab.log    what the keeper and Mininet say
    ROOT/NAME/nodes/N/   files of node N; its run/ is what the node sees as /run, so that control
                         sockets, configurations and logs can be reached from the host as well

ROOT is $NEARLAB_STATE, or /run/nearlab for root, or $XDG_RUNTIME_DIR/nearlab, or
/tmp/nearlab-UID. A killed lab leaves its folder behind (nothing else); since its lock is free, the
next nearlab command that looks at ROOT removes it.
"""

import array
import fcntl
import json
import os
import re
import shutil
import socket

VALID_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class StateError(Exception):
    """No such lab, or it cannot be talked to; the text says what to do."""


def root():
    """The folder of all labs of this user."""
    path = os.environ.get("NEARLAB_STATE")
    if not path:
        if os.geteuid() == 0:
            path = "/run/nearlab"
        elif os.environ.get("XDG_RUNTIME_DIR"):
            path = os.path.join(os.environ["XDG_RUNTIME_DIR"], "nearlab")
        else:
            path = f"/tmp/nearlab-{os.getuid()}"
    return os.path.abspath(path)


def _lock(path):
    """A descriptor that holds the lab folder's lock, or None when someone else holds it."""
    while True:
        try:
            fd = os.open(os.path.join(path, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # another nearlab took the empty folder for a dead lab's
            os.makedirs(path, mode=0o700, exist_ok=True)
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        try:  # whoever removed the folder meanwhile left us with a lock that nobody sees
            if os.fstat(fd).st_ino == os.stat(os.path.join(path, "lock")).st_ino:
                return fd
        except FileNotFoundError:
            os.makedirs(path, mode=0o700, exist_ok=True)
        os.close(fd)


def claim(name, exact):
    """
    A new folder: (name, path, lock descriptor). When a lab of that name runs, its name is taken:
    then NAME-2, NAME-3 … unless `exact`.
    """
    if not VALID_NAME.fullmatch(name):
        raise StateError(f"'{name}' cannot be a lab's name: letters, digits, '.', '_', '-'")
    number = 1
    while True:
        candidate = name if number == 1 else f"{name}-{number}"
        path = os.path.join(root(), candidate)
        if len(os.path.join(path, "control")) > 100:
            raise StateError(f"{path}: too long for a Unix socket: set NEARLAB_STATE")
        os.makedirs(path, mode=0o700, exist_ok=True)
        fd = _lock(path)
        if fd is not None:
            empty(path)
            return candidate, path, fd
        if exact:
            raise StateError(f"a lab named '{name}' is already running "
                             f"(nearlab down --name {name})")
        number += 1


def empty(path):
    """Removes all but the lock from a lab's folder."""
    for entry in os.listdir(path):
        full = os.path.join(path, entry)
        if entry == "lock":
            continue
        if os.path.isdir(full) and not os.path.islink(full):
            shutil.rmtree(full, ignore_errors=True)
        else:
            os.unlink(full)


def remove(path):
    """Removes the folder of a lab that has ended; the caller holds its lock."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass  # other labs


def running():
    """Names of the running labs. Folders of labs that were killed are removed."""
    names = []
    try:
        entries = sorted(os.listdir(root()))
    except FileNotFoundError:
        return names
    for name in entries:
        path = os.path.join(root(), name)
        if not os.path.isdir(path) or not VALID_NAME.fullmatch(name):
            continue
        fd = _lock(path)
        if fd is None:
            names.append(name)
        else:
            remove(path)
            os.close(fd)
    return names


def find(name=None):
    """The folder of the running lab `name`, or of the only one."""
    names = running()
    if name:
        if name not in names:
            raise StateError(f"no lab named '{name}' is running"
                             + (f" (running: {', '.join(names)})" if names else ""))
        return os.path.join(root(), name)
    if not names:
        raise StateError("no lab is running (nearlab up TOPOLOGY --detach)")
    if len(names) > 1:
        raise StateError(f"several labs are running: say which with --name ({', '.join(names)})")
    return os.path.join(root(), names[0])


class Control:
    """The outer side of a lab's control socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(os.path.join(path, "control"))
        except OSError as error:
            self.sock.close()
            raise StateError(f"lab {os.path.basename(path)}: its keeper does not answer: "
                             f"{error.strerror}") from error
        self.file = self.sock.makefile("r", encoding="utf-8")

    def peer_pid(self):
        """Pid of the keeper, as we on the host count."""
        data = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(data[:4], "little")

    def send(self, request, fds=()):
        """Sends a request, with descriptors if the request wants some."""
        data = (json.dumps(request) + "\n").encode()
        if fds:
            rights = array.array("i", fds)
            self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        else:
            self.sock.sendall(data)

    def receive(self):
        """The next answer."""
        line = self.file.readline()
        if not line:
            raise StateError("the lab ended")
        return json.loads(line)

    def call(self, request):
        """Request and answer; an error that the keeper reports is raised."""
        self.send(request)
        answer = self.receive()
        if "error" in answer:
            raise StateError(answer["error"])
        return answer

    def close(self):
        """Ends the connection."""
        self.file.close()
        self.sock.close()

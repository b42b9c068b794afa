# SPDX-License-Identifier: GPL-2.0-or-later
"""
How a lab is cut off from its host.

A lab lives in namespaces of its own: net (no link leads out of it), mount (its own /run), pid
(its first process takes everything else with it), ipc and uts; and a user namespace when it is
not started by root. The chain of processes is

    nearlab (outer, on the host) -> unshare -> init (pid 1 inside) -> keeper -> everything else

Each of the first two links is armed with PR_SET_PDEATHSIG: when the outer process ends, for
whatever reason, the kernel kills unshare, then init; and when a pid namespace's init dies, the
kernel kills all that is in it. No cleaning code of ours needs to run. A detached lab has no outer
process, so only the second link is armed.
"""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


class IsolationError(Exception):
    """The kernel did not let us make or enter a namespace; the text says which and why."""


def die_with_parent(sig=signal.SIGKILL):
    """To be called in a new child: the kernel sends it `sig` when its parent ends."""
    libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)


def spawn(argv, log, pass_fds=(), detach=False):
    """
    Starts argv as pid 1 of new namespaces, output to the file object `log`. Returns the Popen of
    `unshare`, whose exit code is that of pid 1.
    """
    parent = os.getpid()

    def arm():
        os.setsid()  # signals of the terminal are for the outer process, which passes them on
        if not detach:
            die_with_parent()
            if os.getppid() != parent:  # it died before we were armed
                os._exit(1)

    command = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork",
               "--kill-child=SIGKILL", "--mount-proc"]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    return subprocess.Popen(command + ["--"] + argv, stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log, pass_fds=pass_fds, preexec_fn=arm)


def mount(source, target, kind, flags, data):
    """mount(2), in the mount namespace of this thread. IsolationError when the kernel refuses."""
    # mount(8) would look up what /proc/self/fd/N points to by its name, which is hidden by now.
    if libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags,
                  data and data.encode()) != 0:
        raise IsolationError(f"cannot mount {kind or source} at {target}: "
                             f"{os.strerror(ctypes.get_errno())}")


def _run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise IsolationError(f"{' '.join(argv)}: {done.stdout.strip()}")


def private_mounts(keep):
    """
    Inside: gives the lab its own /run (so that no daemon finds or leaves anything in the host's)
    and the new network namespace's /sys. Folders of `keep` that lie under /run stay what they are.
    """
    held = []
    for path in sorted({os.path.realpath(p) for p in keep if p}):
        if path.startswith("/run/") or path.startswith("/var/run/"):
            held.append((path, os.open(path, os.O_PATH | os.O_DIRECTORY)))
    runs = ["/run"] if os.path.realpath("/var/run") == "/run" else ["/run", "/var/run"]
    resolv = os.path.realpath("/etc/resolv.conf")
    for run in runs:
        if os.path.isdir(run):
            mount("tmpfs", run, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for path, fd in held:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{fd}", path, None, MS_BIND, None)
        os.close(fd)
    if resolv.startswith("/run/"):  # a link into what is now empty: nodes mount their own over it
        os.makedirs(os.path.dirname(resolv), exist_ok=True)
        with open(resolv, "w", encoding="ascii"):
            pass
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    _run("ip", "link", "set", "lo", "up")
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        raise IsolationError(f"/dev/net/tun: {error.strerror}: the lab needs TUN interfaces "
                             "(modprobe tun; and read and write permission for you, "
                             "or sudo)") from error


def init(run_keeper):
    """Pid 1 of the lab: starts the keeper, buries orphans, and ends with the keeper's code."""
    keeper = os.fork()
    if keeper == 0:
        code = 1
        try:
            code = run_keeper()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        if pid == keeper:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def _below(pid):
    """Pids of a process's children."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(p) for p in file.read().split()]
    except OSError:
        return []


def keepers(unshare_pid):
    """[pid] of the keeper below an `unshare`, as the host counts; [] when it is not there."""
    return [keeper for init_pid in _below(unshare_pid) for keeper in _below(init_pid)]


def whereabouts(unshare_pid):
    """What the first processes of a lab wait for in the kernel, for a lab that does not come up."""
    lines = []
    level = [unshare_pid]
    for _ in range(4):
        for pid in level:
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii", errors="replace") as file:
                    name = file.read().strip()
                with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
                    lines.append(f"  {pid} {name} waits in {file.read()}")
            except OSError:
                continue
        level = [below for pid in level for below in _below(pid)]
    return "\n".join(lines)


def _setns(fd, flags, what):
    if libc.setns(fd, flags) != 0:
        raise IsolationError(f"cannot enter {what}: {os.strerror(ctypes.get_errno())}")


def run_in_node(keeper_pid, node_pid, argv, env):
    """
    From the host: runs argv inside a lab, in the net and mount namespaces of a node (node_pid as
    the lab itself counts), with our terminal and working folder. Signals sent to us are passed
    on. Returns its exit code, 128 + N if signal N ended it.
    """
    here = os.getcwd()
    lab = os.pidfd_open(keeper_pid)
    flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    if os.readlink("/proc/self/ns/user") != os.readlink(f"/proc/{keeper_pid}/ns/user"):
        flags |= CLONE_NEWUSER
    _setns(lab, flags, "the lab")
    os.close(lab)
    child = 0

    def forward(sig, _frame):
        if child:
            os.kill(child, sig)

    passed = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT,
              signal.SIGQUIT)
    signal.pthread_sigmask(signal.SIG_BLOCK, passed)
    child = os.fork()
    if child == 0:
        try:
            die_with_parent()
            for kind, flag in (("mnt", CLONE_NEWNS), ("net", CLONE_NEWNET)):
                fd = os.open(f"/proc/{node_pid}/ns/{kind}", os.O_RDONLY)
                try:
                    _setns(fd, flag, f"the node's {kind} namespace")
                finally:
                    os.close(fd)
            os.chdir(here if os.path.isdir(here) else "/")
            # Who runs us in the background has SIGINT ignored; a shell could not even trap it then.
            for sig in (*passed, signal.SIGPIPE):
                signal.signal(sig, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)
            os.execvpe(argv[0], argv, env)
        except FileNotFoundError:
            print(f"nearlab: {argv[0]}: no such command", file=sys.stderr)
            os._exit(127)
        except (OSError, IsolationError) as error:
            print(f"nearlab: {argv[0]}: {error}", file=sys.stderr)
            os._exit(126)
    for sig in passed:
        # Those that the terminal makes reach the command by themselves; from elsewhere they do not.
        if not (sig in (signal.SIGINT, signal.SIGQUIT) and sys.stdin and sys.stdin.isatty()):
            signal.signal(sig, forward)
        else:
            signal.signal(sig, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed)
    while True:
        try:
            _, status = os.waitpid(child, 0)
            break
        except InterruptedError:
            continue
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code

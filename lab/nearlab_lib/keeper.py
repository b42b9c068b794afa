# SPDX-License-Identifier: GPL-2.0-or-later
"""
The process inside that builds the network, holds it, and answers on the control socket.

Its main thread serves the socket (requests: status, exec, fault, heal, cli, run, down); a scenario
runs in a second thread, one at a time. What it has to tell while it starts and runs goes to the
outer process as JSON lines through a pipe: {"say": …}, {"ready": …}, {"failed": …}.
"""

import array
import faulthandler
import json
import os
import resource
import selectors
import signal
import socket
import sys
import threading
import time
import traceback

from mininet.cli import CLI
from mininet.log import setLogLevel
from mininet.node import Node

from . import catchments, daemons, isolate, reach, state, userfile
from .faults import FaultError, Faults
from .links import kernel_has_netem
from .network import Network
from .nodes import Arn


class NodeCLI(CLI):
    """Mininet's prompt, without a history file in the user's home."""

    prompt = "nearlab> "

    @classmethod
    def initReadline(cls):
        cls.readlineInited = True


class Keeper:
    """See the essay above."""

    def __init__(self, options, status_fd):
        self.options = options
        self.status = os.fdopen(status_fd, "w", encoding="utf-8", buffering=1)
        self.folder = options["folder"]
        self.net = None
        self.faults = None
        self.scenario = None  # the thread that runs one
        self.catchment = None  # the last one that was asked for
        self.ended = False
        self.ready = False
        self.code = 0
        self.selector = selectors.DefaultSelector()
        self.started = time.time()

    def tell(self, **message):
        """To the outer process, if it still listens."""
        try:
            self.status.write(json.dumps(message) + "\n")
            self.status.flush()
        except (BrokenPipeError, ValueError):
            pass

    def say(self, text):
        """Progress, for people."""
        self.tell(say=text)

    def main(self):
        """Builds the network, serves it until it is to end. The exit code."""
        faulthandler.register(signal.SIGUSR2)  # where it is, into lab.log, when it seems to hang
        try:
            for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(sig, lambda *_: sys.exit(0))
            isolate.private_mounts([self.folder, os.getcwd(), *self.options["keep"]])
            kernel_has_netem()
            listener = self.listen()
            threading.Thread(target=self.come_up, daemon=True).start()
            return self.serve(listener)
        except isolate.IsolationError as error:
            self.tell(failed=str(error))
            return 1
        except SystemExit as end:
            return int(end.code or 0)

    def come_up(self):
        """Builds the network, in a thread of its own, so that `status` and `down` are answered."""
        try:
            self.build()
            self.ready = True
            self.tell(ready=True)
        except BaseException as error:  # pylint: disable=broad-except
            traceback.print_exc()
            known = isinstance(error, (daemons.MissingProgram, TimeoutError, ValueError,
                                       FaultError))
            self.tell(failed=str(error) if known else f"{type(error).__name__}: {error}")
            self.code = 1
            self.ended = True

    def build(self):
        """From the topology's file to a network whose routes have settled."""
        os.environ["NEARLAB_DIR"] = self.folder
        os.environ.setdefault("SHELL", "/bin/bash")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
        for program in ("mnexec", "bird", "birdc", "ss", "sysctl", "ip"):
            daemons.find(program)
        if not kernel_has_netem():
            for program in ("wirefilter", "vde_plug"):
                daemons.find(program)
        setLogLevel("warning")

        module = userfile.load(self.options["file"])
        self.topo_class = module.topos[self.options["topology"]]
        topo = self.topo_class(**self.options["topology_params"])
        self.say(f"building {self.options['topology']}: {len(topo.nodes())} nodes")
        self.net = Network(topo)
        self.net.build()
        self.net.start()
        self.faults = Faults(self.net)
        self.say("waiting for the routes to settle")
        self.settle(60)

    def settle(self, timeout):
        """Until every node's unicast address can be reached, and every ARN's block is routed."""
        topo = self.net.topo
        clients = [h for h in self.net.hosts if h.kind == "client"] or self.net.hosts[:1]
        targets = [topo.address(h.name) for h in self.net.hosts]

        with reach.Pings(clients, targets) as pings:
            missing = []

            def reachable():
                self.check_daemons()
                missing[:] = pings.unreached(0.3 if len(targets) < 50 else 1.0)
                return not missing

            try:
                daemons.wait_until(reachable, timeout, "all nodes reachable", 0.05)
                daemons.wait_until(reachable, timeout, "all nodes reachable at once", 0.05)
            except TimeoutError:
                words = ", ".join(f"{target} from {client}" for client, target in missing[:8])
                more = f", and {len(missing) - 8} more" if len(missing) > 8 else ""
                raise TimeoutError(f"after {timeout} s no ping of {words}{more}") from None
        source = topo.overlay_source and topo.overlay_address(topo.overlay_source)
        if source:
            self.say("waiting for the overlay")
            daemons.wait_until(lambda: all(follows_overlay(h, source) for h in self.net.hosts),
                               timeout, f"every node of the overlay has a route to {source}")
        if any(isinstance(h, Arn) for h in self.net.hosts):
            self.say("waiting for the anycast block")
            for client in clients:
                for service in map(topo.service_of, topo.blocks()):
                    daemons.wait_until(
                        lambda c=client, s=service: self.faults.nearest_arn(c.name, s), timeout,
                        f"{service} is routed from {client.name} to an ARN")

    def check_daemons(self):
        """ValueError when a daemon has ended, with the last lines of its log."""
        for node in self.net.hosts:
            for daemon in node.daemons.values():
                if not daemon.alive():
                    raise ValueError(f"{daemon.name} of {node.name} {daemon.state()}: "
                                     + daemon.last_words())

    def listen(self):
        """The control socket."""
        path = os.path.join(self.folder, "control")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(16)
        return listener

    def serve(self, listener):
        """Answers requests until `down`."""
        self.selector.register(listener, selectors.EVENT_READ, None)
        while not self.ended:
            for key, _ in self.selector.select(timeout=1):
                if key.data is None:
                    sock, _ = listener.accept()
                    self.selector.register(sock, selectors.EVENT_READ, Peer(sock))
                elif not self.hear(key.data):
                    self.selector.unregister(key.data.sock)
                    key.data.close()
        return self.code

    def hear(self, peer):
        """One read of a connection. False when it is over."""
        try:
            lines = peer.read()
        except OSError:
            return False
        if lines is None:
            return False
        for line in lines:
            try:
                request = json.loads(line)
                if not self.ready and request.get("do") not in ("status", "down", "node"):
                    raise FaultError("the lab is still coming up")
                command = getattr(self, "do_" + str(request.get("do")).replace("-", "_"), None)
                answer = command(request, peer) if command else {"error": "no such request"}
            except (FaultError, state.StateError, daemons.MissingProgram) as error:
                answer = {"error": str(error)}
            except Exception as error:  # pylint: disable=broad-except
                traceback.print_exc()  # a request that fails is no end of the lab
                answer = {"error": f"{type(error).__name__}: {error}"}
            if answer is not None:
                peer.answer(answer)
        return True

    # What can be asked.

    def describe(self):
        """The answer to status."""
        head = {"name": os.path.basename(self.folder), "topology": self.options["topology"],
                "params": self.options["topology_params"],
                "since": self.started, "folder": self.folder}
        if not self.ready:
            return {**head, "state": "coming up", "nodes": {}, "links": [], "serving": [],
                    "faults": [], "emulation": "netem" if kernel_has_netem() else "wirefilter"}
        nodes = {}
        for node in self.net.hosts:
            nodes[node.name] = {
                "kind": node.kind, "as": node.params.get("asn"), "pid": node.pid,
                "address": self.net.topo.address(node.name),
                "interfaces": {i.name: f"{i.ip}/{i.prefixLen}" for i in node.intfList() if i.ip},
                "daemons": {d.name: {"pid": d.process.pid if d.alive() else None,
                                     "state": d.state()} for d in node.daemons.values()},
                "run": os.path.join(self.folder, "nodes", node.name, "run"),
            }
        links = [{"ends": [link.intf1.node.name, link.intf2.node.name],
                  "interfaces": [link.intf1.name, link.intf2.name],
                  "delay": link.delay, "loss": link.loss, "bw": link.bw,
                  "alive": link.alive()} for link in self.net.links]
        return {**head, "state": "running a scenario" if self.busy() else "ready",
                "nodes": nodes, "links": links,
                "emulation": "netem" if kernel_has_netem() else "wirefilter",
                "serving": self.faults.serving(),
                "faults": [{"kind": b.kind, "target": b.target} | ({"much": b.much} if b.much else {})
                           for b in self.faults.broken]}

    def busy(self):
        """Whether a scenario runs."""
        return self.scenario is not None and self.scenario.is_alive()

    def do_status(self, _request, _peer):
        return self.describe()

    def do_node(self, request, _peer):
        """What `exec` needs to enter a node: its shell's pid, as counted inside, and the PATH."""
        name = request["node"]
        if self.net is None:
            raise FaultError("the lab is still coming up")
        if name not in self.net or not isinstance(self.net[name], Node):
            raise FaultError(f"no node '{name}' (there are: {', '.join(sorted(self.net.keys()))})")
        return {"pid": self.net[name].pid, "path": daemons.search_path()}

    def do_fault(self, request, _peer):
        if request.get("only_check"):
            self.faults.check(request["kind"], request.get("target"))
            return {}
        return self.faults.inject(request["kind"], request.get("target"), request.get("much"))

    def do_heal(self, _request, _peer):
        return {"healed": self.faults.heal()}

    def do_catchment(self, _request, peer):
        """Which client reaches which ARN now, and which it was when somebody last asked."""
        def look():
            try:
                found = catchments.survey(self.net, self.faults)
                self.catchment = catchments.compare(found, self.catchment)
                peer.answer({"catchment": found})
            except BaseException as error:  # pylint: disable=broad-except
                traceback.print_exc()
                peer.answer({"error": f"{type(error).__name__}: {error}"})

        threading.Thread(target=look, daemon=True).start()

    def do_down(self, _request, _peer):
        self.ended = True
        return {"down": True}

    def do_cli(self, _request, peer):
        """Mininet's prompt on the peer's descriptors, in a process of its own."""
        if len(peer.fds) < 3:
            return {"error": "cli needs three descriptors"}
        fds, peer.fds = peer.fds[:3], peer.fds[3:]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number, fd in enumerate(fds):
                    os.dup2(fd, number)
                sys.stdin = os.fdopen(0, "r")
                sys.stdout = os.fdopen(1, "w", buffering=1)
                sys.stderr = os.fdopen(2, "w", buffering=1)
                setLogLevel("info")
                signal.signal(signal.SIGINT, signal.default_int_handler)
                NodeCLI(self.net, stdin=sys.stdin)
                code = 0
            except BaseException:  # pylint: disable=broad-except
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        for fd in fds:
            os.close(fd)
        peer.child = child

        def bury():
            _, status = os.waitpid(child, 0)
            peer.child = None
            peer.answer({"exit": os.waitstatus_to_exitcode(status)})

        threading.Thread(target=bury, daemon=True).start()
        return None

    def do_interrupt(self, _request, peer):
        if peer.child:
            os.kill(peer.child, signal.SIGINT)
        return None

    def do_run(self, request, peer):
        """Runs a scenario; progress and, at the end, the result go to the peer."""
        if self.busy():
            return {"error": "a scenario is already running in this lab"}
        request["topology"] = self.options["topology"]
        from . import scenario  # pylint: disable=import-outside-toplevel,cyclic-import

        def run():
            try:
                result = scenario.execute(self.net, self.faults, request,
                                          lambda text: peer.answer({"say": text}))
                peer.answer({"result": result})
            except BaseException as error:  # pylint: disable=broad-except
                traceback.print_exc()
                peer.answer({"error": f"{type(error).__name__}: {error}"})

        self.scenario = threading.Thread(target=run, daemon=True)
        self.scenario.start()
        return None


def follows_overlay(host, source):
    """Whether a node that is in the overlay has a route to its source, or is that."""
    own = host.params.get("overlay")
    if not own or own == source:
        return True
    out, _, _ = host.pexec(["ip", "-o", "route", "get", source])
    return " dev nc-" in out


class Peer:
    """A connection to the control socket."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.fds = []
        self.child = None

    def read(self):
        """Complete lines that have come; None at the end."""
        data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds = array.array("i")
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
                self.fds += fds
        if not data:
            return None
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        return lines

    def answer(self, message):
        """A line to the peer; one that has gone is no error."""
        try:
            self.sock.sendall((json.dumps(message) + "\n").encode())
        except OSError:
            pass

    def close(self):
        """The connection is over, and what it had started with it."""
        if self.child:
            try:
                os.kill(self.child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for fd in self.fds:
            os.close(fd)
        self.sock.close()


def inside(options, status_fd):
    """Pid 1's program."""
    return isolate.init(lambda: Keeper(options, status_fd).main())

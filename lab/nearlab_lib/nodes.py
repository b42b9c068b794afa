# SPDX-License-Identifier: GPL-2.0-or-later
"""
The kinds of nodes, as Mininet node classes.

Every node has its own net and mount namespaces (Mininet's), its own /run, /etc/hosts and
/etc/resolv.conf. `config` (called by Mininet when all links are there) sets addresses and routes;
`boot` writes the configuration files and starts the daemons of the node's kind.
"""

import os
import signal

from mininet.node import Node

from . import daemons, inside, isolate, naming, routing, site


class LabNode(Node):
    """What all nodes have in common."""

    kind = "host"
    options = ()  # what a topology can say of such a node
    speaks_ospf = False
    forwards = False  # packets that are not for it
    boots_itself = True  # by Mininet's own `mn`; the lab's keeper boots nodes when all are there

    def __init__(self, name, **params):
        self.daemons = {}
        folder = os.environ.get("NEARLAB_DIR")
        self.folder = os.path.join(folder, "nodes", name) if folder else None
        run = ("/run", os.path.join(self.folder, "run")) if folder else "/run"
        self.topo = params.get("topo")
        super().__init__(name, **{**params, "inNamespace": True, "privateDirs": [run]})

    def file(self, path):
        """Path, as the keeper sees it, of a file that the node sees as /PATH."""
        return os.path.join(f"/proc/{self.pid}/root", path)

    def write(self, *args):  # Mininet's write(data) to the shell
        if len(args) == 1:
            return super().write(args[0])
        path, text = args
        full = self.file(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        return full

    def mountPrivateDirs(self):
        """Its /run: a folder that the host sees, too, if it is the keeper that asks."""
        if not self.folder:
            super().mountPrivateDirs()
            return
        run = os.path.join(self.folder, "run")
        os.makedirs(run, exist_ok=True)
        inside.run(self.pid, isolate.mount, run, "/run", None, isolate.MS_BIND, None, files=True)

    # pylint: disable=arguments-differ
    def config(self, **_params):
        inside.run(self.pid, self._configure, files=True)
        if self.boots_itself:
            self.boot()

    def _configure(self):
        """Addresses, routes, /etc/hosts and /etc/resolv.conf; in its namespaces."""
        for folder in ("nearcast", "tmp", "cache"):
            os.makedirs(f"/run/{folder}", exist_ok=True)
        commands = ["link set lo up"]
        for intf in self.intfList():
            commands += getattr(intf, "setup", [])
        inside.ip(commands + self.setup_commands())
        values = {"conf/all/accept_redirects": 0, "fib_multipath_hash_policy": 1,
                  "ip_forward": int(self.forwards)}
        for name in ("all", "default", *self.intfNames()):
            values |= {f"conf/{name}/rp_filter": 0, f"conf/{name}/send_redirects": 0}
        inside.sysctl(values)
        if self.topo:
            for name, text in (("hosts", self.topo.hosts_file()),
                               ("resolv.conf", self.topo.resolv_conf())):
                with open(f"/run/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
                if os.path.exists(f"/etc/{name}"):
                    isolate.mount(f"/run/{name}", f"/etc/{name}", None, isolate.MS_BIND, None)

    def setup_commands(self):
        """More commands of ip(8), of this kind of node."""
        gateway = self.params.get("gateway")
        return [f"route replace default via {gateway}"] if gateway else []

    def boot(self):
        """Starts this kind of node's daemons."""

    def daemon(self, name, argv):
        """Starts a process that the lab keeps track of."""
        self.daemons[name] = daemons.Daemon(self, name, argv)
        self.daemons[name].start()
        return self.daemons[name]

    def start_bird(self, configuration):
        """BIRD, in the foreground, so that it is our child."""
        self.write("run/bird/bird.conf", configuration)
        self.daemon("bird", [daemons.find("bird"), "-f", "-c", "/run/bird/bird.conf",
                             "-s", "/run/bird/bird.ctl", "-P", "/run/bird/bird.pid"])

    def birdc(self, command):
        """What BIRD says to a command."""
        out, err, _ = self.pexec(["birdc", "-s", "/run/bird/bird.ctl", *command.split()])
        return out + err

    def terminate(self):
        for daemon in self.daemons.values():
            daemon.signal(signal.SIGKILL, everyone=True)
        super().terminate()


class Router(LabNode):
    """BIRD: OSPF inside its AS, BGP with others, BFD on every link."""

    kind = "router"
    speaks_ospf = True
    forwards = True

    def setup_commands(self):
        return [f"addr add {self.params['loopback']}/32 dev lo"]

    def boot(self):
        self.start_bird(routing.router(self.topo, self.name))


class KeyedNode(LabNode):
    """A node with a nearcast daemon that holds the lab's key."""

    program = ""

    def boot(self):
        self.write("run/nearcast/keys", lab_key())
        os.chmod(self.file("run/nearcast/keys"), 0o600)
        conf = f"/run/nearcast/{self.program}.conf"
        self.write(conf.lstrip("/"), self.configuration())
        self.daemon(self.program, [daemons.find(self.program), "-c", conf])

    def configuration(self):
        """The daemon's configuration file."""
        raise NotImplementedError

    def common(self, socket):
        """What arn.conf and sn-agent.conf share."""
        return (f'name = "{self.name}"\n'
                f'interface = "{self.defaultIntf().name}"\n'
                f'key-file = "/run/nearcast/keys"\n'
                f'control = "/run/nearcast/{socket}.sock"\n'
                f'management = "127.0.0.1:7780"\n'
                f'events = "/run/nearcast/events.json"\n'
                f'log-level = "info"\n')


class Arn(KeyedNode):
    """An anycast referral node: arn holds the block, BIRD carries it into OSPF."""

    kind = "arn"
    options = ("sites", "active", "addresses", "prime", "token", "names", "cas", "wide", "far",
               "hang")
    speaks_ospf = True
    program = "arn"

    def boot(self):
        self.start_bird(routing.arn(self.topo, self.name))
        # What every ARN has itself, with the same time, so that they answer alike.
        service = self.topo.service_of(self.topo.block(self.name))
        own = f"run/nearcast/direct/{service}/robots.txt"
        self.write(own, "User-agent: *\nDisallow: /\n")
        os.utime(self.file(own), (0, 1700000000))
        super().boot()

    def configuration(self):
        next_hop = self.topo.next_hop(self.name)
        more = f' next-hop = "{next_hop}"' if next_hop else ""
        if self.params.get("active", "master") != "master":
            more += f' active = "{self.params["active"]}"'
        if self.params.get("hang"):
            more += f' hang-bound = {self.params["hang"]}'
        if self.params.get("addresses"):
            more += f' addresses = {{{", ".join(self.params["addresses"])}}}'
        return self.common("arn") + (
            f'anycast {{ block = "{self.topo.block(self.name)}" interface = "anycast0"{more} }}\n'
            'direct { directory = "/run/nearcast/direct" }\n'
            + ("prime { rtsp = yes }\n" if self.params.get("prime") else "")
            + ("token { issue = yes }\n" if self.params.get("token") else "")
            + (self.origins() if self.params.get("names") else "")
            + (self.elsewhere() if self.params.get("wide") else "")
            + "".join(f'site "{name}" {{ address = "{self.topo.address(name)}" }}\n'
                      for name in self.params.get("sites", ())))

    def elsewhere(self):
        """How it finds nodes of other networks (wide), and those that it is told of (far)."""
        nodes = ", ".join(f'"{self.topo.address(name)}:7702"' for name in self.params.get("far", ()))
        return f'wide {{ method = "{self.params["wide"]}" nodes = {{{nodes}}} hold = 2000 }}\n'

    def origins(self):
        """What the service offers comes from where SRV records lead; a site that is dead is no dead node."""
        server = self.topo.address(self.params["names"])
        return (f'naming {{ zone = "cbb.net" servers = "{server}" }}\n'
                f'service "acme" {{ address = "{self.topo.service}" }}\n'
                'probe { path = "/.nearcast/health" }\n'
                + ('cas { ask = yes negative-max = 1000 }\n' if self.params.get("cas") else ""))


class ServiceNode(KeyedNode):
    """A service node: sn-agent, which is fed by its upstream nodes."""

    kind = "service node"
    options = ("upstream", "http", "web", "site", "films", "token", "groups", "weight", "overlay",
               "attach", "attachments", "allots", "capacity")
    program = "sn-agent"

    def boot(self):
        if self.params.get("site"):
            self.write(f"{site.FOLDER}/nginx.conf",
                       site.CONF.format(address=self.params["address"]))
            self.daemon("site", [daemons.find("nginx"), "-c", f"/{site.FOLDER}/nginx.conf"])
        super().boot()
        if self.params.get("overlay"):
            self.start_bird(routing.overlay(self.topo, self.name))

    def overlay_configuration(self):
        """Its neighbours, and whom all channels come from."""
        text = (f'overlay {{ address = "{self.params["overlay"]}" '
                f'block = "{routing.OVERLAY}" }}\n')
        if self.params.get("attach"):
            text += f'attach {{ anycast = "{self.topo.service}" refresh = 500 }}\n'
        if self.params.get("attachments"):
            registry = self.topo.address(self.params["attachments"])
            text += f'attachments {{ max = 4 registry = "{registry}" }}\n'
        for name, _ in self.topo.neighbours(self.name):
            kbps = self.topo.budgets.get((self.name, name), 0)
            text += (f'neighbour "{name}" {{ address = "{self.topo.address(name)}" '
                     f'kbps = {kbps:g} }}\n')
        source = self.topo.overlay_source
        if source:
            address = self.topo.overlay_address(source)
            text += (f'source "{source}" {{ address = "{address}" }}\n'
                     f'source "{source}-origin" {{ address = "{address}" '
                     f'host = "{self.topo.address(source)}" }}\n')
        return text

    def configuration(self):
        http = self.params.get("http", 0)
        text = self.common("sn") + f'address = "{self.params["address"]}"\n'
        if self.params.get("web"):
            http = 80
            text += (f'web {{ nginx = "{daemons.find("nginx")}" folder = "/run/web" user = "root" '
                     'size = 64 slice = 128 workers = 1 }\n')
        text += f"http {{ port = {http} }}\n" if http else ""
        if self.params.get("films"):
            master = self.topo.address(self.params["films"])
            text += f'library "films" {{ path = "/films" origin = "http://{master}:8080" }}\n'
        text += 'access { token = "required" }\n' if int(self.params.get("token", 0)) else ""
        text += 'accounting { database = "/run/nearcast/accounts.db" interval = 200 }\n'
        publishers = [f"{self.topo.address(p)}/32" for p in self.topo.of_class(Publisher)
                      if self.topo.nodeInfo(p)["lan"] == self.params["lan"]]
        if publishers:
            text += f'rtsp {{ publishers = "{", ".join(publishers)}" }}\n'
        if self.params.get("groups"):
            net = self.topo.nodeInfo(self.params["lan"])["prefix"]
            text += f'multicast {{ groups = "{self.params["groups"]}" clients = "{net}" }}\n'
        if "capacity" in self.params:
            text += f'capacity {{ sessions = {self.params["capacity"]} }}\n'
        if "weight" in self.params:
            text += f'announce {{ weight = {self.params["weight"]} }}\n'
        for name in self.params.get("upstream", ()):
            text += f'upstream "{name}" {{ address = "{self.topo.address(name)}:554" }}\n'
        if self.params.get("overlay"):
            text += self.overlay_configuration()
        if self.params.get("allots"):
            text += (f'cas {{ listen = "{self.params["address"]}:{naming.CAS}" '
                     f'anycast = "{self.topo.anycast}" ttl = 2000 }}\n')
        return text


class Client(LabNode):
    """A host with a player, at the end of an access link."""

    kind = "client"


class Publisher(LabNode):
    """A host that streams come from."""

    kind = "publisher"


class NameServer(LabNode):
    """Knot DNS; the resolv.conf of every node names it."""

    kind = "name server"
    options = ("origin",)

    def boot(self):
        self.write("run/knot/root.zone", naming.zone(self.topo, self.name))
        self.write("run/knot/knot.conf", naming.CONF.format(address=self.params["address"]))
        self.daemon("knotd", [daemons.find("knotd"), "-c", "/run/knot/knot.conf"])


# Made when the keeper starts, not by the first node that asks: nodes boot side by side, and two that are
# the first (lru_cache calls the function for both) would have a key each.
_KEY = f"1 {os.urandom(32).hex()}\n"


def lab_key():
    """The key file: one key for each lab."""
    return _KEY

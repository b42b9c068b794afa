# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients are sent to the nodes nearest to themselves (row H9), by the prefixes that are
configured, and by what the sites measure."""

import socket
import threading

import pytest

import near_testlib as near
from conftest import wait_until
from test_arn import ANYCAST, Site, keep_announcing, usable, wait_up
from test_wide import WideSite, eligible

OFFICE, ELSEWHERE = "10.9.0.2", "10.9.0.130"
ROME, SANJOSE = "10.2.0.6", "10.2.0.7"


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Site(namespaces, link, program, tmp_path)
    near.address(made.client, "up0", f"{ELSEWHERE}/24")
    made.route_statically()
    yield made
    made.close()


def sent_to(site, source):
    """The host that a client with this address is redirected to."""
    request = f"DESCRIBE rtsp://{ANYCAST}/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    with near.connect(site.client, ANYCAST, 554, source=source) as s:
        s.sendall(request.encode())
        status, headers = near.read_head(s)
    assert status == 302
    return headers["location"].split("/")[2]


def test_a_client_is_sent_to_the_nodes_of_its_region(site, tmp_path):
    """H9: by sections and a file, the longest prefix; a reload takes the file over, or refuses it."""
    file = tmp_path / "regions"
    file.write_text(f"# who is where\n10.9.0.0/24 rome.italy\n{ELSEWHERE}/32 sanjose.usa\n")
    arn = site.arn(
        "probe { interval = 0 }\n"
        f'regions {{ file = "{file}" }}\n'
        'region "tests" { place = "rome.italy" prefixes = {"192.0.2.0/24", "198.51.100.0/24"} }\n'
    )
    nodes = [
        site.node("sn1", ROME, interval=600000, place="rome.italy"),
        site.node("sn2", SANJOSE, interval=600000, place="sanjose.usa"),
    ]
    for k, node in enumerate(nodes, 1):
        keep_announcing(node, lambda k=k: usable(arn) == k, "the node is known")
    wait_up(arn)

    assert sent_to(site, OFFICE) == ROME
    assert sent_to(site, ELSEWHERE) == SANJOSE
    said = arn.ask(f"explain rtsp://{ANYCAST}/news {ELSEWHERE}")
    assert (said["region"], said["chosen"]) == ("sanjose.usa", "sn2")
    assert [n["levels"] for n in said["nodes"]] == [0, 2]
    said = arn.ask(f"explain rtsp://{ANYCAST}/news 198.51.100.7")
    assert (said["region"], said["chosen"]) == ("rome.italy", "sn1")
    assert arn.ask(f"explain rtsp://{ANYCAST}/news 203.0.113.7")["region"] is None

    # Who is drained or full is not in the group: the next nearest one is.
    nodes[1].fields[6] = True
    keep_announcing(nodes[1], lambda: usable(arn) == 1, "the node is draining")
    assert sent_to(site, ELSEWHERE) == ROME
    nodes[1].fields[6] = False
    keep_announcing(nodes[1], lambda: usable(arn) == 2, "the node is back")

    file.write_text("10.9.0.0/24 sanjose.usa\n")
    arn.ask("reload")
    wait_until(lambda: sent_to(site, OFFICE) == SANJOSE, "the other region")
    file.write_text("10.9.0.0/24 rome.italy\n10.9.0.1/24 rome.italy\n")
    code, body = near.request(arn.control, "reload")
    assert code == 500 and f"{file}:2: expected a prefix without host bits" in body["error"]
    assert sent_to(site, OFFICE) == SANJOSE


# ---- measured by the sites ----


class Client:
    """Answers echo requests in the place of a namespace's kernel, later to some ARNs than to others: its
    distance from each."""

    def __init__(self, space, addresses, delay):
        self.delay, self.asked, self.timers, self.over = delay, [], [], False
        space.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
        self.sockets = {at: near.socket_in(space, self._open, at) for at in addresses}
        self.threads = [threading.Thread(target=self._serve, args=(s,)) for s in self.sockets.values()]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _open(at):
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        s.bind((at, 0))
        s.settimeout(0.1)
        return s

    def _serve(self, sock):
        while not self.over:
            try:
                packet, (source, _) = sock.recvfrom(2048)
            except TimeoutError:
                continue
            body = packet[(packet[0] & 15) * 4:]
            if body[0] != 8:
                continue
            self.asked.append(source)
            timer = threading.Timer(self.delay[source], self._answer, (sock, body, source))
            self.timers.append(timer)
            timer.start()

    @staticmethod
    def _answer(sock, body, source):
        # The checksum of a reply is the request's, but for the type (RFC 1624).
        total = int.from_bytes(body[2:4], "big") + 0x0800
        total = (total & 0xFFFF) + (total >> 16)
        sock.sendto(b"\0\0" + total.to_bytes(2, "big") + body[4:], (source, 0))

    def close(self):
        self.over = True
        for thread in self.threads + self.timers:
            thread.join()
        for s in self.sockets.values():
            s.close()


@pytest.fixture(name="sites")
def _sites(namespaces, link, program, tmp_path):
    made = WideSite(namespaces, link, program, tmp_path)
    yield made
    made.close()


def test_sites_measure_which_of_them_is_nearest_to_a_client(sites, program, tmp_path):
    """H9: the first client is not kept waiting; the next ones of its network go to the nearest site."""
    sites.router.run("ip", "address", "add", "10.9.1.1/24", "dev", "down0")
    near.address(sites.client, "up0", "10.9.1.2/24")
    sites.host.run("ip", "route", "add", "10.9.1.0/24", "via", "10.8.0.1")
    rome = sites.far_node("rome1", "10.4.0.42", place="rome.italy")
    west = near.Daemon(
        sites.west,
        program("arn"),
        tmp_path,
        "west",
        f'name = "west" interface = "west0" key-file = "{near.key_file(tmp_path)}"\n'
        'anycast { block = "10.1.18.0/24" hold = 500 } address = "10.4.0.40" place = "rome.italy"\n'
        'measure { clients = yes } sites { port = 7703 } site "home" { address = "10.8.0.2:7702" }\n',
    )
    arn = sites.begin(
        [rome],
        method="wide",
        more='} place = "sanjose.usa" site "west" { address = "10.4.0.40:7703" }\n'
        "measure { clients = yes lifetime = 600000",
    )
    sites.home.fields[9] = 1000  # there is always room at home
    sites.say_home(5, arn)
    wait_until(lambda: eligible(arn) == {"rome1"}, "the far node is eligible")
    client = Client(sites.client, (OFFICE, "10.9.1.2"), {"10.8.0.2": 0.06, "10.4.0.40": 0.01})
    try:
        assert sent_to(sites, OFFICE) == "10.2.0.6", "the first one goes where it came in"
        wait_until(lambda: measured(arn) == {"10.9.0.0/24": "rome.italy"}, "it is measured")
        assert sent_to(sites, OFFICE) == "10.4.0.42"
        assert arn.ask(f"explain rtsp://{ANYCAST}/news {OFFICE}")["region"] == "rome.italy"
        assert sorted(client.asked) == ["10.4.0.40"] * 3 + ["10.8.0.2"] * 3
        assert west.ask("show counters")["nearcast_arn_measure_answers_total"] == 1
        # Another network, that is nearer here.
        client.delay.update({"10.8.0.2": 0.0, "10.4.0.40": 0.05})
        assert sent_to(sites, "10.9.1.2") == "10.2.0.6"
        wait_until(lambda: measured(arn).get("10.9.1.0/24") == "sanjose.usa", "and the other one")
        assert sent_to(sites, "10.9.1.2") == "10.2.0.6"
        assert sent_to(sites, OFFICE) == "10.4.0.42"
        assert len(client.asked) == 12
    finally:
        client.close()


def measured(arn):
    return {m["prefix"]: m["region"] for m in arn.ask("show regions")["measured"] if m["region"]}

# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients are sent to the nodes nearest to themselves (row H9), by the prefixes that are
configured, and by what the sites measure."""

import socket
import threading

import near_testlib as near
from conftest import wait_until
from test_arn import keep_announcing, usable, wait_up
from test_wide import both_families, eligible
from test_wide import site  # pylint: disable=unused-import



def sent_to(site, source):
    """The host that a client with this address is redirected to."""
    request = f"DESCRIBE rtsp://{near.bracketed(site.anycast)}/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    with near.connect(site.client, site.anycast, 554, source=source) as s:
        s.sendall(request.encode())
        status, headers = near.read_head(s)
    assert status == 302
    return headers["location"].split("/")[2].strip("[]")


@both_families
def test_a_client_is_sent_to_the_nodes_of_its_region(site, tmp_path):
    """H9: by sections and a file, the longest prefix; a reload takes the file over, or refuses it."""
    office, elsewhere, rome, sanjose = (site.at(9, 2), site.at(9, 130), site.at(2, 6), site.at(2, 7))
    near.address(site.client, "up0", site.cidr(9, 130))
    file = tmp_path / "regions"
    longest = elsewhere + ("/128" if site.six else "/32")
    file.write_text(f"# who is where\n{site.cidr(9, 0)} rome.italy\n{longest} sanjose.usa\n")
    arn = site.arn(
        "probe { interval = 0 }\n"
        f'regions {{ file = "{file}" }}\nregion "tests" {{ place = "rome.italy"\n'
        f'    prefixes = {{"192.0.2.0/24", "{site.cidr(51, 0)}"}} }}\n',
        block=site.block,
    )
    site.route_statically(site.block, site.at(8, 2))
    nodes = [
        site.node("sn1", rome, interval=600000, place="rome.italy"),
        site.node("sn2", sanjose, interval=600000, place="sanjose.usa"),
    ]
    for k, node in enumerate(nodes, 1):
        keep_announcing(node, lambda k=k: usable(arn) == k, "the node is known")
    wait_up(arn)

    assert sent_to(site, office) == rome
    assert sent_to(site, elsewhere) == sanjose
    explain = f"explain rtsp://{near.bracketed(site.anycast)}/news"
    said = arn.ask(f"{explain} {elsewhere}")
    assert (said["region"], said["chosen"]) == ("sanjose.usa", "sn2")
    assert [n["levels"] for n in said["nodes"]] == [0, 2]
    said = arn.ask(f"{explain} {site.at(51, 7)}")
    assert (said["region"], said["chosen"]) == ("rome.italy", "sn1")
    assert arn.ask(f"{explain} {site.at(203, 7)}")["region"] is None

    # Who is drained or full is not in the group: the next nearest one is.
    nodes[1].fields[6] = True
    keep_announcing(nodes[1], lambda: usable(arn) == 1, "the node is draining")
    assert sent_to(site, elsewhere) == rome
    nodes[1].fields[6] = False
    keep_announcing(nodes[1], lambda: usable(arn) == 2, "the node is back")

    file.write_text(f"{site.cidr(9, 0)} sanjose.usa\n")
    arn.ask("reload")
    wait_until(lambda: sent_to(site, office) == sanjose, "the other region")
    file.write_text(f"{site.cidr(9, 0)} rome.italy\n{site.cidr(9, 1)} rome.italy\n")
    code, body = near.request(arn.control, "reload")
    assert code == 500 and f"{file}:2: expected a prefix without host bits" in body["error"]
    assert sent_to(site, office) == sanjose


# ---- measured by the sites ----


class Client:
    """Answers echo requests in the place of a namespace's kernel, later to some ARNs than to others: its
    distance from each."""

    def __init__(self, space, addresses, delay):
        self.delay, self.asked, self.timers, self.over = delay, [], [], False
        for setting in ("net.ipv4.icmp_echo_ignore_all=1", "net.ipv6.icmp.echo_ignore_all=1"):
            space.run("sysctl", "-qw", setting)
        self.sockets = [near.socket_in(space, self._open, at) for at in addresses]
        self.threads = [threading.Thread(target=self._serve, args=(s,)) for s in self.sockets]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _open(at):
        family = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ":" in at else (
            socket.AF_INET, socket.IPPROTO_ICMP)
        s = socket.socket(family[0], socket.SOCK_RAW, family[1])
        s.bind((at, 0))
        s.settimeout(0.1)
        return s

    def _serve(self, sock):
        six = sock.family == socket.AF_INET6
        while not self.over:
            try:
                packet, (source, *_) = sock.recvfrom(2048)
            except TimeoutError:
                continue
            body = packet if six else packet[(packet[0] & 15) * 4:]
            if body[0] != (128 if six else 8):
                continue
            self.asked.append(source)
            timer = threading.Timer(self.delay[source], self._answer, (sock, body, source))
            self.timers.append(timer)
            timer.start()

    @staticmethod
    def _answer(sock, body, source):
        if sock.family == socket.AF_INET6:  # where the kernel makes the checksum
            reply = b"\x81\0\0\0"
        else:  # it is the request's, but for the type (RFC 1624)
            total = int.from_bytes(body[2:4], "big") + 0x0800
            reply = b"\0\0" + ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
        sock.sendto(reply + body[4:], (source, 0))

    def close(self):
        self.over = True
        for thread in self.threads + self.timers:
            thread.join()
        for s in self.sockets:
            s.close()


@both_families
def test_sites_measure_which_of_them_is_nearest_to_a_client(site, program, tmp_path):
    """H9: the first client is not kept waiting; the next ones of its network go to the nearest site."""
    office, other = site.at(9, 2), site.at(19, 2)
    home, west = site.at(8, 2), site.at(4, 40)
    networks = [f"{site.at(net, 0)}/24" if not site.six else f"2001:db8:{net}::/48" for net in (9, 19)]
    near.address(site.router, "down0", site.cidr(19, 1))
    near.address(site.client, "up0", site.cidr(19, 2))
    site.host.run("ip", "route", "add", site.cidr(19, 0), "via", site.at(8, 1))
    rome = site.far_node("rome1", site.at(4, 42), place="rome.italy")
    west_arn = near.Daemon(
        site.west,
        program("arn"),
        tmp_path,
        "west",
        f'name = "west" interface = "west0" key-file = "{near.key_file(tmp_path)}"\n'
        f'anycast {{ block = "{site.block}" hold = 500 }} address = "{west}" place = "rome.italy"\n'
        "measure { clients = yes } sites { port = 7703 }\n"
        f'site "home" {{ address = "{near.bracketed(home)}:7702" }}\n',
    )
    arn = site.begin(
        [rome],
        method="wide",
        more=f'}} place = "sanjose.usa" site "west" {{ address = "{near.bracketed(west)}:7703" }}\n'
        "measure { clients = yes lifetime = 600000",
    )
    site.home.fields[9] = 1000  # there is always room at home
    site.say_home(5, arn)
    wait_until(lambda: eligible(arn) == {"rome1"}, "the far node is eligible")
    client = Client(site.client, (office, other), {home: 0.06, west: 0.01})
    try:
        assert sent_to(site, office) == site.at(2, 6), "the first one goes where it came in"
        wait_until(lambda: measured(arn) == {networks[0]: "rome.italy"}, "it is measured")
        assert sent_to(site, office) == site.at(4, 42)
        explained = arn.ask(f"explain rtsp://{near.bracketed(site.anycast)}/news {office}")
        assert explained["region"] == "rome.italy"
        assert sorted(client.asked) == [west] * 3 + [home] * 3
        assert west_arn.ask("show counters")["nearcast_arn_measure_answers_total"] == 1
        # Another network, that is nearer here.
        client.delay.update({home: 0.0, west: 0.05})
        assert sent_to(site, other) == site.at(2, 6)
        wait_until(lambda: measured(arn).get(networks[1]) == "sanjose.usa", "and the other one")
        assert sent_to(site, other) == site.at(2, 6)
        assert sent_to(site, office) == site.at(4, 42)
        assert len(client.asked) == 12
    finally:
        client.close()


def measured(arn):
    return {m["prefix"]: m["region"] for m in arn.ask("show regions")["measured"] if m["region"]}

# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which client reaches which ARN: `nearlab catchment`, and what scenarios hold to their predictions.

Each client asks the anycast address of each block once, all at one time, from sockets of the keeper's
own that are in the clients' namespaces (a program for each client would take a second of CPU for
twenty of them). The redirection names a service node; the ARN of its LAN gave it.
"""

import re
import socket
import threading
import time

from . import inside, isolate
from .nodes import Arn, Client


class Question(threading.Thread):
    """One transaction of RTSP with an anycast address, in a node's network namespace."""

    def __init__(self, node, address, timeout):
        super().__init__(daemon=True)
        self.node, self.address, self.timeout = node, address, timeout
        self.answer = {"error": "not asked"}
        self.start()

    def run(self):
        begun = time.monotonic()
        try:
            code, location = inside.run(self.node.pid, self._ask)
            self.answer = {"code": code, "location": location}
        except (OSError, ValueError, IndexError, isolate.IsolationError) as error:
            self.answer = {"error": str(error) or "closed without an answer"}
        self.answer["ms"] = round((time.monotonic() - begun) * 1000, 1)

    def _ask(self):
        with socket.create_connection((self.address, 554), self.timeout) as sock:
            sock.settimeout(self.timeout)
            sock.sendall(f"DESCRIBE rtsp://{self.address}/catchment RTSP/1.0\r\n"
                         "CSeq: 1\r\n\r\n".encode())
            text = b""
            while b"\r\n\r\n" not in text:
                more = sock.recv(4096)
                if not more:
                    raise OSError("closed without an answer")
                text += more
        text = text.decode("latin-1")
        location = re.search(r"^Location:\s*(\S+)", text, re.MULTILINE | re.IGNORECASE)
        return int(text.split()[1]), location and location.group(1)


def arns_beside(topo, node):
    """Names of the ARNs of a service node's LAN."""
    lan = topo.nodeInfo(node).get("lan")
    return [arn for arn in topo.of_class(Arn) if topo.nodeInfo(arn)["lan"] == lan]


def survey(net, faults=None, timeout=1.5):
    """
    {block: {client: {arn, node, ms, path}}}: which ARN answered (None: nobody; then `error` says
    why), to which node it sent the client; path, if `faults` are given: what the packets pass.
    """
    topo = net.topo
    clients = [h for h in net.hosts if isinstance(h, Client)]
    owner = {topo.address(n): n for n in topo.hosts()}
    asked = {(block, client.name): Question(client, topo.service_of(block), timeout)
             for block in topo.blocks() for client in clients}
    found, known = {block: {} for block in topo.blocks()}, {}
    for (block, client), question in asked.items():
        question.join(2 * timeout + 1)
        row = {"arn": None, "node": None, **question.answer}
        place = re.match(r"\w+://([^/:]+)", row.pop("location", None) or "")
        row["node"] = place and owner.get(place.group(1))
        beside = arns_beside(topo, row["node"]) if row["node"] else []
        if faults:
            row["path"] = faults.path(net[client], topo.service_of(block), known)
            beside.sort(key=lambda arn, row=row: arn not in row["path"])
        row["arn"] = beside[0] if beside else None
        found[block][client] = row
    return found


def plain(found):
    """{block: {client: ARN or None}} of a survey."""
    return {block: {client: row["arn"] for client, row in rows.items()}
            for block, rows in found.items()}


def compare(found, before):
    """Notes in each row of a survey, as `was`, which other ARN it was in the one before."""
    for block, rows in found.items():
        for client, row in rows.items():
            was = (before or {}).get(block, {}).get(client)
            if was and was["arn"] != row["arn"]:
                row["was"] = was["arn"]
    return found


def show(found, topo_of):
    """
    Lines for people: for each block its sites with their clients, then each client with its way.
    topo_of: {node: number of its AS}.
    """
    lines = []
    for block, rows in found.items():
        lines.append(f"{block}")
        sites = {}
        for client, row in rows.items():
            sites.setdefault(row["arn"], []).append(client)
        for arn in sorted(sites, key=lambda a: (a is None, a)):
            place = f"{arn} (AS {topo_of.get(arn)})" if arn else "nobody"
            lines.append(f"  {place:<22} {len(sites[arn]):>3}  {' '.join(sites[arn])}")
        for client, row in rows.items():
            way = " - ".join(row.get("path") or [client])
            moved = f"   (was {row['was'] or 'nobody'})" if "was" in row else ""
            said = row["arn"] or row.get("error") or f"answer {row.get('code')}"
            lines.append(f"  {client:<10} {said:<10} {way}{moved}")
    return lines

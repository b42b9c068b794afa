# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which addresses answer a ping of which nodes: all of them at once, by one raw socket in each node. A
lab of a hundred nodes asks some thousand times until its routes have settled, and a ping(8) for each
would take longer than the routes.
"""

import os
import select
import socket
import struct
import time

from . import inside

ECHO_REPLY, ECHO_REQUEST = 0, 8


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def request(identifier, number):
    """An ICMP echo request (RFC 792)."""
    head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, number)
    return head[:2] + struct.pack("!H", _checksum(head)) + head[4:]


def answered(packet, identifier):
    """The number of the request that an IPv4 packet answers, or None."""
    start = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < start + 8 or start < 20:
        return None
    kind, _, _, whose, number = struct.unpack_from("!BBHHH", packet, start)
    return number if (kind, whose) == (ECHO_REPLY, identifier) else None


class Pings:
    """Some nodes, each of which is to reach the same addresses."""

    def __init__(self, nodes, addresses):
        self.addresses = list(addresses)
        self.identifier = os.getpid() & 0xffff
        self.sockets = {}
        for node in nodes:
            self.sockets[inside.run(node.pid, self._open)] = node
        self.missing = {}

    @staticmethod
    def _open():
        return socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                             socket.IPPROTO_ICMP)

    def unreached(self, patience=1.0):
        """
        Asks each address. [(node's name, address)] of those that do not answer within `patience`
        seconds; [] when all have answered this time.
        """
        self.missing = {sock: set(range(len(self.addresses))) for sock in self.sockets}
        self.identifier = self.identifier % 0xffff + 1  # late answers to the last time do not count
        for sock, numbers in self.missing.items():
            for number in numbers:
                try:
                    sock.sendto(request(self.identifier, number), (self.addresses[number], 0))
                except OSError:
                    pass  # no route yet
        deadline = time.monotonic() + patience
        poll = select.poll()
        by_fd = {sock.fileno(): sock for sock in self.sockets}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while any(self.missing.values()):
            left = deadline - time.monotonic()
            ready = poll.poll(left * 1000) if left > 0 else ()
            if not ready:
                break
            for fd, _ in ready:
                self._read(by_fd[fd])
        return [(node.name, self.addresses[number]) for sock, node in self.sockets.items()
                for number in sorted(self.missing[sock])]

    def _read(self, sock):
        while True:
            try:
                packet, (sender, _) = sock.recvfrom(2048)
            except OSError:
                return
            number = answered(packet, self.identifier)
            if number is not None and number < len(self.addresses) \
                    and sender == self.addresses[number]:
                self.missing[sock].discard(number)

    def close(self):
        """Closes the sockets."""
        for sock in self.sockets:
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

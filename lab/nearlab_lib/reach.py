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
SOL_RAW, ICMP_FILTER = 255, 1  # linux/icmp.h


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
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                             socket.IPPROTO_ICMP)
        # Others' requests, which come here as well, have no place in its queue.
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", 0xffffffff & ~(1 << ECHO_REPLY)))
        return sock

    def unreached(self, patience=1.0):
        """
        Asks each address that has not answered since all had the last time. [(node's name, address)]
        of those that do not answer within `patience` seconds.
        """
        if not any(self.missing.values()):
            self.missing = {sock: set(range(len(self.addresses))) for sock in self.sockets}
            self.identifier = self.identifier % 0xffff + 1  # a late answer is none to what is asked now
        poll = select.poll()
        by_fd = {sock.fileno(): sock for sock in self.sockets}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        for sock, numbers in self.missing.items():
            for number in numbers:
                try:
                    sock.sendto(request(self.identifier, number), (self.addresses[number], 0))
                except OSError:
                    pass  # no route yet
            self._drain(poll, by_fd, 0)
        deadline = time.monotonic() + patience
        while any(self.missing.values()) and time.monotonic() < deadline:
            self._drain(poll, by_fd, deadline - time.monotonic())
        return [(node.name, self.addresses[number]) for sock, node in self.sockets.items()
                for number in sorted(self.missing[sock])]

    def _drain(self, poll, by_fd, patience):
        for fd, _ in poll.poll(max(0.0, patience) * 1000):
            self._read(by_fd[fd])

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

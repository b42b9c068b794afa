# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks service nodes as an ARN of another network does (docs/protocol/wide-area.md, "Surveys"), from Python: also
what no ARN would ask."""

import hashlib
import ipaddress
import itertools
import socket
import struct
import time

import near_testlib as near

SURVEY, SURVEYED = 13, 14
NUMBERS = itertools.count(int.from_bytes(b"survey", "big"))


def decode(data, at=0):
    """The CBOR item there, and where it ends: as much of RFC 8949 as answers have."""
    major, n = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return n == 21, at
    if n >= 24:
        size = 1 << n - 24
        n, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major == 0:
        return n, at
    if major in (2, 3):
        text = data[at:at + n]
        return (text.decode() if major == 3 else text), at + n
    items = []
    for _ in range(n * (2 if major == 5 else 1)):
        item, at = decode(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), at


def packed(host, port):
    return ipaddress.ip_address(host).packed + struct.pack(">H", port)


def unpacked(raw):
    return str(ipaddress.ip_address(raw[:-2])), int.from_bytes(raw[-2:], "big")


class Surveyor:
    """An ARN of this name, at a socket of its own in the namespace."""

    def __init__(self, space, name="arn908", family=socket.AF_INET, sock=None):
        self.name = name
        self.sender = hashlib.blake2b(name.encode(), digest_size=16).digest()[:8]
        self.epoch, self.counter, self.id, self.sent = time.time_ns(), 0, 0, 0
        self.sock = sock or near.socket_in(space, socket.socket, family, socket.SOCK_DGRAM)

    def seal(self, payload, key=near.KEY, kind=SURVEY, counter=None):
        self.counter += 1
        head = b"NCST" + struct.pack(">BBH", 1, kind, near.KEY_ID) + self.sender
        counter = self.counter if counter is None else counter
        message = head + struct.pack(">QQQ", self.epoch, counter, time.time_ns()) + payload
        return message + hashlib.blake2b(message, digest_size=32, key=key).digest()

    def question(self, at, skip=None, padding=310, **more):
        self.id = next(NUMBERS)
        fields = {1: self.id, 2: more.get("name", self.name), 3: packed(*more.get("to", at))}
        if skip is not None:
            fields |= {4: True, 5: skip}
        return near.cbor(fields | {6: bytes(padding)})

    def send(self, datagram, at):
        self.sent = len(datagram)
        self.sock.sendto(datagram, at)

    def receive(self, timeout=5.0):
        """The next answer: what it says, {"length": …} with it; None in time."""
        self.sock.settimeout(timeout)
        try:
            message = self.sock.recv(2048)
        except TimeoutError:
            return None
        body, end = decode(message[40:-32])
        assert message[5] == SURVEYED and end == len(message) - 72
        body[4], _ = decode(body[4])
        body["length"] = len(message)
        return body

    def ask(self, at, timeout=5.0, key=near.KEY, **question):
        """The answer to one question; None: none."""
        self.send(self.seal(self.question(at, **question), key=key), at)
        answer = self.receive(timeout)
        assert answer is None or (answer[1] == self.id and answer[2] == self.name)
        return answer

    def close(self):
        self.sock.close()


def neighbours(answer):
    flat = answer.get(6, [])
    return {name: unpacked(at) for at, name in zip(flat[::2], flat[1::2])}

# SPDX-License-Identifier: GPL-2.0-or-later
"""
A stranger on the LAN who has no key: rogue.py OWN_ADDRESS KIND SECONDS. He hears what
nodes and ARNs announce, and announces what would bring him their clients, or take them off the
network, if it were believed:

    forged     announcements of theirs with his own address, goodbyes of theirs, himself as a master
               with a lower address; newer than the true ones, sealed with a key of his own
    unsigned   the same, with nothing in place of the seal
    tampered   what they said a moment ago with another address in it, sealed as it was
    replayed   all that they said, as it was, again and again
    flood      the forged ones and garbage, as fast as he can

He prints a JSON line when he has begun, and one with what he has sent at the end.
"""

import hashlib
import ipaddress
import json
import os
import socket
import struct
import sys
import time

GROUP, PORT = "239.255.77.1", 7701
HEADER, SEAL = 40, 32  # bytes: see lib/wire.h
GOODBYE = 2
PAUSE = 0.005  # s between two datagrams, but in a flood
MAX_HEARD = 4096


def listener(address):
    """Hears the group."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((GROUP, PORT))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                    socket.inet_aton(GROUP) + socket.inet_aton(address))
    sock.settimeout(0.01)
    return sock


def sender(address):
    """Speaks to the group, and does not hear himself."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    return sock


def hear(sock, heard, own):
    """Takes in what there is."""
    try:
        while True:
            data, (host, _) = sock.recvfrom(2048)
            if host != own and len(data) > HEADER + SEAL and len(heard) < MAX_HEARD:
                heard.append((host, data))
    except (BlockingIOError, TimeoutError):
        pass


def changed(data, host, address, kind=None):
    """A datagram that says it comes later, from another address; without its seal."""
    head = bytearray(data[:HEADER])
    if kind:
        head[5] = kind
    struct.pack_into(">QQQ", head, 16, time.time_ns(), 1, time.time_ns())
    payload = data[HEADER:-SEAL].replace(ipaddress.ip_address(host).packed,
                                         ipaddress.ip_address(address).packed)
    return bytes(head) + payload


def seal(text, key):
    """With its seal."""
    return text + hashlib.blake2b(text, digest_size=SEAL, key=key).digest()


def lies(heard, own):
    """[a datagram without a seal]: of each sender his own address, a lower one, and a goodbye."""
    lower = str(ipaddress.ip_network(f"{own}/24", strict=False)[2])
    last = dict(heard)
    return [changed(data, host, where, kind) for host, data in last.items()
            for where, kind in ((own, None), (lower, None), (host, GOODBYE))]


def datagrams(kind, heard, own, key):
    """What is to be sent in this turn."""
    if kind == "forged":
        return [seal(text, key) for text in lies(heard, own)]
    if kind == "unsigned":
        return [text + bytes(SEAL) for text in lies(heard, own)]
    if kind == "tampered":
        return [data[:HEADER] + changed(data, host, own)[HEADER:] + data[-SEAL:]
                for host, data in heard[-8:]]
    if kind == "replayed":
        return [data for _, data in heard]
    return [seal(text, key) for text in lies(heard, own)] * 20 + [os.urandom(200)] * 100


def main(own, kind, seconds):
    """Until the time is over."""
    ears, mouth = listener(own), sender(own)
    heard, key, sent = [], os.urandom(32), 0
    deadline = time.monotonic() + 5
    while len({host for host, _ in heard}) < 2 and time.monotonic() < deadline:
        hear(ears, heard, own)
    print(json.dumps({"kind": kind, "heard": len(heard), "t": time.monotonic()}), flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end and heard:
        hear(ears, heard, own)
        for data in datagrams(kind, heard, own, key):
            if time.monotonic() > end:
                break
            mouth.sendto(data, (GROUP, PORT))
            sent += 1
            if kind != "flood":
                time.sleep(PAUSE)
    print(json.dumps({"kind": kind, "sent": sent, "t": time.monotonic()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))

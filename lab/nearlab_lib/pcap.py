# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads UDP datagrams out of tcpdump's captures (pcap, Ethernet, IPv4 and IPv6)."""

import ipaddress
import struct
from collections import namedtuple

Datagram = namedtuple("Datagram", "time source sport destination dport data")


def datagrams(path):
    """Every whole UDP datagram of a file; time is the wall clock's, in seconds."""
    with open(path, "rb") as file:
        head = file.read(24)
        if len(head) < 24:
            return
        magic = head[:4]
        order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        if struct.unpack(order + "I", magic)[0] not in (0xa1b2c3d4, 0xa1b23c4d):
            raise ValueError(f"{path}: not a pcap file")
        unit = 1e-9 if struct.unpack(order + "I", magic)[0] == 0xa1b23c4d else 1e-6
        if struct.unpack_from(order + "I", head, 20)[0] & 0xffff != 1:
            raise ValueError(f"{path}: not of an Ethernet")
        while True:
            record = file.read(16)
            if len(record) < 16:
                return
            seconds, fraction, captured, _ = struct.unpack(order + "IIII", record)
            frame = file.read(captured)
            if len(frame) < captured:
                return
            found = _udp(frame)
            if found:
                yield Datagram(seconds + fraction * unit, *found)


def _udp(frame):
    kind = struct.unpack_from("!H", frame, 12)[0] if len(frame) >= 14 else 0
    if kind == 0x0800 and len(frame) >= 34:
        if frame[23] != 17 or struct.unpack_from("!H", frame, 20)[0] & 0x3fff:
            return None  # not UDP, or a fragment
        start = 14 + 4 * (frame[14] & 15)
        source, destination = frame[26:30], frame[30:34]
    elif kind == 0x86dd and len(frame) >= 54 and frame[20] == 17:
        start = 54
        source, destination = frame[22:38], frame[38:54]
    else:
        return None
    if len(frame) < start + 8:
        return None
    sport, dport, length = struct.unpack_from("!HHH", frame, start)
    return (str(ipaddress.ip_address(source)), sport, str(ipaddress.ip_address(destination)), dport,
            frame[start + 8:start + length])

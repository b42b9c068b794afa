# SPDX-License-Identifier: GPL-2.0-or-later
"""
Reads UDP datagrams, and RTSP's interleaved frames, out of tcpdump's captures (pcap, Ethernet, IPv4
and IPv6).
"""

import ipaddress
import struct
from collections import namedtuple

Datagram = namedtuple("Datagram", "time source sport destination dport data")


def datagrams(path):
    """Every whole UDP datagram of a file; time is the wall clock's, in seconds."""
    for time, frame in _records(path):
        found = _udp(frame)
        if found:
            yield Datagram(time, *found)


def interleaved(path):
    """
    The first frame (RFC 2326, 10.12) of each TCP segment that begins with one, as a datagram. A node
    writes what came to it together at once, so that this sees each time at which media came.
    """
    for time, frame in _records(path):
        found = _tcp(frame)
        if found and len(found[-1]) > 4 and found[-1][0] == 0x24:
            yield Datagram(time, *found[:-1], found[-1][4:])


def _records(path):
    """(time, Ethernet frame) of a file."""
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
            yield seconds + fraction * unit, frame


def _ip(frame, protocol):
    """(source, destination, where its payload begins, and ends) of a whole packet, or None."""
    kind = struct.unpack_from("!H", frame, 12)[0] if len(frame) >= 14 else 0
    if kind == 0x0800 and len(frame) >= 34:
        if frame[23] != protocol or struct.unpack_from("!H", frame, 20)[0] & 0x3fff:
            return None  # another protocol, or a fragment
        start = 14 + 4 * (frame[14] & 15)
        end = 14 + struct.unpack_from("!H", frame, 16)[0]
        source, destination = frame[26:30], frame[30:34]
    elif kind == 0x86dd and len(frame) >= 54 and frame[20] == protocol:
        start = 54
        end = 54 + struct.unpack_from("!H", frame, 18)[0]
        source, destination = frame[22:38], frame[38:54]
    else:
        return None
    return str(ipaddress.ip_address(source)), str(ipaddress.ip_address(destination)), start, end


def _udp(frame):
    packet = _ip(frame, 17)
    if not packet or len(frame) < packet[2] + 8:
        return None
    source, destination, start, _ = packet
    sport, dport, length = struct.unpack_from("!HHH", frame, start)
    return source, sport, destination, dport, frame[start + 8:start + length]


def _tcp(frame):
    packet = _ip(frame, 6)
    if not packet or len(frame) < packet[2] + 20:
        return None
    source, destination, start, end = packet
    sport, dport = struct.unpack_from("!HH", frame, start)
    return source, sport, destination, dport, frame[start + 4 * (frame[start + 12] >> 4):end]

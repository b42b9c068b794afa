# SPDX-License-Identifier: GPL-2.0-or-later
"""Just enough of RTP (RFC 3550) to compare streams."""

import struct
from collections import namedtuple

Packet = namedtuple("Packet", "ssrc seq payload_type timestamp marker payload")


def parse(data):
    """An RTP packet of a datagram, or None when it is something else (RTCP for instance)."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    if 192 <= data[1] <= 223:  # RTCP on the same port, RFC 5761 section 4
        return None
    first, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    start = 12 + 4 * (first & 15)
    end = len(data)
    if first & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * struct.unpack_from("!H", data, start + 2)[0]
    if first & 0x20 and end > start:
        end -= data[-1]
    if start > end:
        return None
    return Packet(ssrc, seq, second & 127, timestamp, second >> 7, data[start:end])


class Unwrap:
    """16-bit sequence numbers as numbers that do not wrap."""

    def __init__(self):
        self.last = None

    def __call__(self, seq):
        if self.last is None:
            self.last = seq + 65536  # room for packets before the first
        else:
            self.last += ((seq - self.last + 32768) & 65535) - 32768
        return self.last

# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the rtpdump format of the rtptools, which `client-failover --rtpdump` writes."""

import struct


def packets(path):
    """(milliseconds since the start, packet's bytes) of every record."""
    with open(path, "rb") as file:
        first = file.readline(256)
        if not first.startswith(b"#!rtpplay1.0 "):
            raise ValueError(f"{path}: not an rtpdump file")
        if len(file.read(16)) < 16:
            raise ValueError(f"{path}: its header is cut off")
        while True:
            head = file.read(8)
            if not head:
                return
            if len(head) < 8:
                raise ValueError(f"{path}: the last record is cut off")
            length, plen, offset = struct.unpack("!HHI", head)
            if length < 8:
                raise ValueError(f"{path}: a record of {length} bytes")
            data = file.read(length - 8)
            if len(data) < length - 8:
                raise ValueError(f"{path}: the last record is cut off")
            if plen:  # 0: RTCP
                yield offset, data

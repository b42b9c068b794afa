# SPDX-License-Identifier: GPL-2.0-or-later
"""
Whether what the client wrote is what the publisher sent.

For each medium (SSRC) that was published: from the first packet that the client wrote to the last
one that was published, the client's packets must be the publisher's, byte for byte, each once, in
order, none missing. A client may join a stream late, so packets before its first do not count;
that it joined at all, and stayed to the end, does. Of a stream whose own node died, the end is what
had passed that node: what was sent after `died` may be missing, though nothing that comes before
what is not.
"""

import hashlib

from . import pcap, rtp, rtpdump

SHOWN = 10  # so many sequence numbers of each kind of difference


def published_streams(capture, source=None, died=None):
    """
    {ssrc: {sequence number: Packet}} of a capture, of one sender when `source` is given; and
    {ssrc: the first number that was sent after `died`, seconds since 1970}.
    """
    streams, unwrap, last = {}, {}, {}
    for datagram in pcap.datagrams(capture):
        if source and datagram.source != source:
            continue
        packet = rtp.parse(datagram.data)
        if packet:
            seq = unwrap.setdefault(packet.ssrc, rtp.Unwrap())(packet.seq)
            streams.setdefault(packet.ssrc, {}).setdefault(seq, packet)
            if died is not None and datagram.time > died:
                last.setdefault(packet.ssrc, seq)
    return streams, last


def written_streams(dump):
    """{ssrc: [Packet]} in the order in which the client wrote them."""
    streams = {}
    for _, data in rtpdump.packets(dump):
        packet = rtp.parse(data)
        if packet:
            streams.setdefault(packet.ssrc, []).append(packet)
    return streams


def compare_stream(published, written, end=None):
    """
    One medium: published {sequence number: Packet}, written [Packet]; end: the number from which on
    it may have ended. A dictionary with `same` and, where it is not, what is different.
    """
    result = {"published": len(published), "written": len(written), "missing": 0, "extra": 0,
              "different": 0, "disordered": 0, "repeated": 0, "bytes": 0, "same": False,
              "examples": {}}
    if not published or not written:
        result["missing"] = len(published)
        return result
    by_low = {}  # 16-bit number -> candidates, since both sides may have wrapped differently
    for seq in published:
        by_low.setdefault(seq & 65535, []).append(seq)
    previous, first, seen = None, None, set()
    digests = hashlib.sha256(), hashlib.sha256()

    def differ(kind, seq):
        result[kind] += 1
        result["examples"].setdefault(kind, [])
        if len(result["examples"][kind]) < SHOWN:
            result["examples"][kind].append(seq & 65535)

    for packet in written:
        candidates = by_low.get(packet.seq, [])
        if not candidates:
            differ("extra", packet.seq)
            continue
        near = previous if previous is not None else candidates[0]
        seq = min(candidates, key=lambda c, n=near: abs(c - n))
        first = seq if first is None else first
        if seq in seen:
            differ("repeated", seq)
            continue
        if previous is not None and seq < previous:
            differ("disordered", seq)
        if packet != published[seq]:
            differ("different", seq)
        seen.add(seq)
        previous = seq if previous is None else max(seq, previous)
        result["bytes"] += len(packet.payload)
        digests[1].update(packet.payload)
    if first is not None:
        for seq in sorted(published):
            if seq >= first and not (end is not None and seq >= end and seq > previous):
                digests[0].update(published[seq].payload)
                if seq not in seen:
                    differ("missing", seq)
    result["sha256_published"], result["sha256_written"] = (d.hexdigest() for d in digests)
    if first is not None:
        result["first"], result["last"] = first & 65535, previous & 65535
    result["same"] = not any(result[k] for k in ("missing", "extra", "different", "disordered",
                                                 "repeated")) and bool(seen)
    return result


def compare(captures, dump, source=None, names=None):
    """
    A publisher's captures with a client's dump: {same, media: [one dictionary for each medium]}.
    captures: [(file, died or None)]; `names`: {payload type: what it is}.
    """
    published, ends, written = {}, {}, written_streams(dump)
    for capture, died in captures:
        streams, last = published_streams(capture, source, died)
        published.update(streams)
        ends.update(last)
    samples = {ssrc: next(iter(published.get(ssrc, {}).values()), None) or written[ssrc][0]
               for ssrc in set(published) | set(written)}
    media = []
    # In an order that is the same in every run, though SSRCs are random: the video first.
    for ssrc, sample in sorted(samples.items(), key=lambda s: (s[1].payload_type, s[0])):
        one = compare_stream(published.get(ssrc, {}), written.get(ssrc, []), ends.get(ssrc))
        if ssrc not in published:
            one["extra"] = one["written"]
        name = (names or {}).get(sample.payload_type, f"payload type {sample.payload_type}")
        media.append({"ssrc": f"{ssrc:08x}", "name": name, **one})
    return {"same": bool(media) and all(m["same"] for m in media), "media": media}

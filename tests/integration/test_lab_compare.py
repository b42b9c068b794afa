# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab's verdict rests on: the comparison of what was sent with what was written."""

import struct
import subprocess
import sys
import types

import pytest
from conftest import SOURCE

sys.path.insert(0, str(SOURCE / "lab"))

from nearlab_lib import compare, pcap, rtp, rtpdump  # noqa: E402
from nearlab_lib.scenario import Lines, ScenarioError  # noqa: E402


def rtp_packet(seq, ssrc=0x1234, payload=None, pt=96):
    """An RTP packet whose payload tells its number."""
    body = payload if payload is not None else f"payload {seq}".encode()
    return struct.pack("!BBHII", 0x80, pt, seq & 65535, seq * 90 & 0xFFFFFFFF, ssrc) + body


def capture_file(path, datagrams, source="10.8.0.3"):
    """A pcap file with UDP datagrams of one sender."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, data in enumerate(datagrams):
            address = bytes(map(int, source.split(".")))
            udp = struct.pack("!HHHH", 5000, 6000, 8 + len(data), 0) + data
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
            frame = b"\0" * 12 + b"\x08\0" + header + address + b"\x0a\x08\0\x08" + udp
            file.write(struct.pack("<IIII", 1000, number, len(frame), len(frame)) + frame)
    return path


def dump_file(path, packets):
    """An rtpdump file."""
    with open(path, "wb") as file:
        file.write(b"#!rtpplay1.0 10.1.18.27/554\n" + b"\0" * 16)
        for data in packets:
            file.write(struct.pack("!HHI", len(data) + 8, len(data), 0) + data)
    return path


@pytest.fixture
def verdict(tmp_path):
    """verdict(PUBLISHED, WRITTEN): what compare says of two lists of packets."""

    def judge(published, written, died=None):
        return compare.compare([(capture_file(tmp_path / "sent.pcap", published), died)],
                               dump_file(tmp_path / "out.rtpdump", written))

    return judge


def packets(first, last, **kwargs):
    """Packets first … last."""
    return [rtp_packet(n, **kwargs) for n in range(first, last + 1)]


def test_an_undisturbed_stream_is_the_same(verdict):
    result = verdict(packets(1, 50), packets(1, 50))
    assert result["same"]
    assert result["media"][0]["written"] == 50
    assert result["media"][0]["sha256_written"] == result["media"][0]["sha256_published"]


def test_a_client_may_join_late(verdict):
    assert verdict(packets(1, 50), packets(20, 50))["same"]


def test_a_client_may_not_leave_early(verdict):
    result = verdict(packets(1, 50), packets(1, 49))
    assert not result["same"]
    assert result["media"][0]["missing"] == 1
    assert result["media"][0]["examples"]["missing"] == [50]


def test_of_a_stream_whose_node_died_the_end_may_be_missing(verdict):
    """The capture's times are 1000 s and a microsecond for each packet."""
    sent = packets(1, 50)
    assert verdict(sent, packets(1, 45), died=1000.000044)["same"]
    assert verdict(sent, packets(1, 50), died=1000.000044)["same"]
    assert not verdict(sent, packets(1, 44), died=1000.000044)["same"]
    assert not verdict(sent, packets(1, 46) + packets(48, 49), died=1000.000044)["same"]


def test_a_publisher_may_begin_anew(tmp_path):
    one = capture_file(tmp_path / "one.pcap", packets(1, 50))
    two = capture_file(tmp_path / "two.pcap", packets(1, 30, ssrc=0x9999))
    written = dump_file(tmp_path / "out.rtpdump", packets(9, 45) + packets(1, 30, ssrc=0x9999))
    assert compare.compare([(one, 1000.000044), (two, None)], written)["same"]
    assert not compare.compare([(one, None), (two, None)], written)["same"]
    assert not compare.compare([(one, 1000.000044)], written)["same"]


def test_a_lost_packet_is_missing(verdict):
    result = verdict(packets(1, 50), packets(1, 20) + packets(22, 50))
    assert not result["same"]
    assert result["media"][0]["examples"]["missing"] == [21]


def test_one_wrong_byte_is_a_difference(verdict):
    written = packets(1, 50)
    written[30] = written[30][:-1] + b"?"
    result = verdict(packets(1, 50), written)
    assert not result["same"]
    assert result["media"][0]["different"] == 1


def test_a_repeated_packet_counts(verdict):
    result = verdict(packets(1, 50), packets(1, 30) + packets(30, 50))
    assert not result["same"]
    assert result["media"][0]["repeated"] == 1


def test_disorder_counts(verdict):
    written = packets(1, 50)
    written[10], written[11] = written[11], written[10]
    result = verdict(packets(1, 50), written)
    assert not result["same"]
    assert result["media"][0]["disordered"] == 1


def test_an_invented_packet_is_extra(verdict):
    result = verdict(packets(1, 50), packets(1, 51))
    assert not result["same"]
    assert result["media"][0]["extra"] == 1


def test_sequence_numbers_wrap(verdict):
    assert verdict(packets(65500, 65600), packets(65520, 65600))["same"]


def test_nothing_written_is_not_the_same(verdict):
    assert not verdict(packets(1, 50), [])["same"]


def test_nothing_published_is_not_the_same(verdict):
    assert not verdict([], [])["same"]
    assert not verdict([], packets(1, 5))["same"]


def test_every_medium_is_compared(verdict):
    video, audio = packets(1, 50), packets(1, 30, ssrc=0x9999, pt=97)
    assert verdict(video + audio, audio + video)["same"]
    result = verdict(video + audio, video + audio[:-1])
    assert not result["same"]
    assert [m["same"] for m in result["media"]] == [True, False]
    assert not verdict(video + audio, video)["same"]


def test_rtcp_is_not_media(verdict):
    report = struct.pack("!BBHI", 0x80, 200, 6, 0x1234) + b"\0" * 20
    assert rtp.parse(report) is None
    assert verdict([report] + packets(1, 50), packets(1, 50))["same"]


def test_packets_of_other_senders_do_not_count(tmp_path):
    path = capture_file(tmp_path / "x.pcap", packets(1, 5), source="10.8.0.9")
    assert compare.published_streams(path, "10.8.0.3") == ({}, {})
    assert len(compare.published_streams(path, "10.8.0.9")[0][0x1234]) == 5


def test_header_extension_and_padding_are_not_payload():
    data = struct.pack("!BBHII", 0xB1, 96, 7, 0, 1) + b"\0" * 4
    data += struct.pack("!HH", 0xBEDE, 1) + b"\0" * 4 + b"payload" + b"\0\0\3"
    assert rtp.parse(data).payload == b"payload"


@pytest.mark.parametrize("cut", [4, 20, 47, 50])
def test_a_cut_off_dump_is_an_error(tmp_path, cut):
    path = dump_file(tmp_path / "x.rtpdump", packets(1, 1))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="not an rtpdump|cut off"):
        list(rtpdump.packets(path))


def test_a_capture_that_was_cut_off_gives_what_it_has(tmp_path):
    path = capture_file(tmp_path / "x.pcap", packets(1, 5))
    path.write_bytes(path.read_bytes()[:-3])
    assert len(list(pcap.datagrams(path))) == 4


def test_a_file_of_another_kind_is_no_capture(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(b"this is not a capture at all, is it?")
    with pytest.raises(ValueError, match="not a pcap"):
        list(pcap.datagrams(path))


def test_a_listener_that_fails_is_told_of_and_the_output_is_read_to_its_end(tmp_path):
    """Row J5: it is not just said that the process ended."""
    node = types.SimpleNamespace(popen=lambda argv, **more: subprocess.Popen(
        argv, **{k: v for k, v in more.items() if k != "env"}))
    lab = types.SimpleNamespace(net={"c1": node}, report=str(tmp_path), processes=[])
    heard = []

    def hear(_, text):
        heard.append(text)
        if text == "2":
            raise KeyError("no such node")

    lines = Lines(lab, "c1", "counter", ["seq", "5"], hear)
    with pytest.raises(ScenarioError, match="counter: the line '2' led to KeyError: 'no such node'"):
        lines.wait_for(lambda: False, 10, "the end of the world")
    lines.thread.join(10)
    assert lines.stop() == 0
    assert heard == ["1", "2"] and [text for _, text in lines.lines] == list("12345")

# SPDX-License-Identifier: GPL-2.0-or-later
"""A channel that is published again under the same name, by a source of its own numbers: nobody is given
packets of the other one, neither who comes anew, nor who fails over, nor who asks for what lacks."""

import signal

import pytest

from conftest import wait_until
from sn_testlib import SSRC, Player, Publisher, packet
from test_client_nodes import Source, assert_whole, network
from test_sn import channel, here, lossy, node

OTHER = 0x0BADCAFE
__all__ = ["here", "lossy", "network", "node"]


def of(ssrc, numbers):
    return [(ssrc, n & 0xFFFF) for n in numbers]


def wait_sources(player, expected):
    """Exactly these have come, in that order, when they all have."""
    wait_until(lambda: len(player.sources()) >= len(expected), "all packets came", 5, 0.005)
    assert player.sources() == expected


def forge(publisher, ssrc, numbers):
    """Packets that come from the publisher's address, and are of another source."""
    for n in numbers:
        publisher.raw(0, packet(0, n, ssrc=ssrc))


def killed_upstream(node):
    """
    (a node, one downstream, a player there, what it has): the publisher's connection to the first has ended.
    """
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host)
    attached = Player(b.host, nearcast=True).play()
    wait_until(lambda: channel(a)["playing"] == 1, "b has subscribed")
    old = pub.send(50)
    attached.wait(old)
    pub.close()
    wait_until(lambda: channel(a)["publisher"] is None, "its connection's end is seen")
    return a, b, attached, old


def test_after_teardown_a_name_is_another_channel(node):
    sn = node(11)
    pub = Publisher(sn.host)
    watch = Player(sn.host).play()
    old = pub.send(50)
    watch.wait(old)
    pub.teardown()
    assert Player(sn.host, nearcast=True).describe().status == 404
    again = Publisher(sn.host, first=10, ssrc=OTHER)
    fresh = Player(sn.host, nearcast=True)
    assert fresh.describe().status == 200
    fresh.play()
    late = Player(sn.host, nearcast=True).attach([old[20]], SSRC)
    wait_sources(late, of(SSRC, old[20:]))
    assert f"seq={old[-1] & 0xFFFF}" in late.told_end()[1]["rtp-info"]
    new = again.send(30)
    wait_sources(fresh, of(OTHER, new))
    third = Player(sn.host, nearcast=True).attach([new[10]], OTHER)
    wait_sources(third, of(OTHER, new[10:]))
    assert late.sources() == of(SSRC, old[20:])


@pytest.mark.parametrize("tcp", [False, True], ids=["from-udp", "from-tcp"])
def test_publisher_that_was_killed_and_is_back_mixes_nothing(node, tcp):
    """In the grace the channel goes on for those who play it, and begins anew for all others."""
    sn = node(11, options="", rtsp='start = "live"')
    pub = Publisher(sn.host, tcp=tcp)
    attached = Player(sn.host, nearcast=True).play()
    old = pub.send(50)
    attached.wait(old)
    pub.close()
    wait_until(lambda: channel(sn)["publisher"] is None, "its connection's end is seen")
    again = Publisher(sn.host, first=65030, tcp=tcp, ssrc=OTHER)
    fresh = Player(sn.host, nearcast=True).play()
    assert "ssrc" not in fresh.reply.get("RTP-Info", "")
    early = Player(sn.host, nearcast=True).attach([old[10]], OTHER)
    new = again.send(50)
    wait_sources(fresh, of(OTHER, new))
    wait_sources(early, of(OTHER, new))
    wait_sources(attached, of(SSRC, old) + of(OTHER, new))
    failed_over = Player(sn.host, nearcast=True).attach([old[10]], SSRC)
    wait_sources(failed_over, of(OTHER, new))
    attached.nack(old[40:], ssrc=SSRC)  # numbers that the other one has as well
    attached.nack(new[:3], ssrc=OTHER)
    wait_sources(attached, of(SSRC, old) + of(OTHER, new) + of(OTHER, new[:3]))


def test_another_presentation_is_another_channel_even_in_the_grace(node):
    sn = node(11)
    pub = Publisher(sn.host)
    attached = Player(sn.host, nearcast=True).play()
    attached.wait(pub.send(10))
    pub.close()
    wait_until(lambda: channel(sn)["publisher"] is None, "its connection's end is seen")
    again = Publisher(sn.host, ssrc=OTHER, codec="H264")
    attached.told_end()
    fresh = Player(sn.host, nearcast=True)
    assert b"H264/90000" in fresh.describe().body
    wait_sources(fresh.play(), of(OTHER, again.send(10)))


def test_node_downstream_forgets_what_has_ended(node):
    """One that heard of the first publication has none of it for who comes for the second: not at once,
    and not for a client that fails over from a node that has the second."""
    a = node(11)
    b = node(12, 11)
    c = node(13, 11)
    pub = Publisher(a.host)
    watch = Player(b.host, nearcast=True).play()
    wait_until(lambda: channel(a)["playing"] == 1, "b has subscribed")
    old = pub.send(50)
    watch.wait(old)
    pub.teardown()
    watch.told_end()
    again = Publisher(a.host, first=65010, ssrc=OTHER)
    at_c = Player(c.host, nearcast=True).play()
    wait_until(lambda: channel(a)["playing"] == 1, "c has subscribed")
    new = again.send(50)
    wait_sources(at_c, of(OTHER, new))
    late = Player(b.host, nearcast=True).attach([old[20]], SSRC)
    wait_sources(late, of(SSRC, old[20:]))
    late.told_end()
    failed_over = Player(b.host, nearcast=True).attach([new[20]], OTHER)
    wait_sources(failed_over, of(OTHER, new[20:]))
    fresh = Player(b.host, nearcast=True)
    assert fresh.describe().status == 200
    fresh.play()
    more = again.send(10)
    wait_sources(fresh, of(OTHER, more))
    wait_sources(failed_over, of(OTHER, new[20:] + more))


def test_node_that_was_only_asked_for_a_description_gives_no_old_one(node):
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host)
    assert b"MP2T" in Player(b.host).describe().body
    pub.teardown()
    again = Publisher(a.host, ssrc=OTHER, codec="H264")
    fresh = Player(b.host, nearcast=True)
    wait_until(lambda: b"H264" in fresh.describe().body, "it has asked anew", 1)
    fresh.play()
    wait_until(lambda: channel(a)["playing"] == 1, "b has subscribed")
    wait_sources(fresh, of(OTHER, again.send(10)))


def test_node_downstream_hears_a_killed_publisher_again(node):
    a, b, attached, old = killed_upstream(node)
    again = Publisher(a.host, first=65030, ssrc=OTHER)
    new = again.send(50)
    wait_sources(attached, of(SSRC, old) + of(OTHER, new))
    attached.nack(old[40:], ssrc=SSRC)
    failed_over = Player(b.host, nearcast=True).attach([old[10]], SSRC)
    wait_sources(failed_over, of(OTHER, new))
    more = again.send(1)
    wait_sources(attached, of(SSRC, old) + of(OTHER, new + more))


def test_losses_are_repaired_from_the_first_packet_of_the_new_source_on(node, lossy):
    a, b, attached, old = killed_upstream(node)
    again = Publisher(a.host, first=65030, ssrc=OTHER)
    lossy(a, b, 2)
    new = again.send(20)

    def whole():
        again.send(1)  # what is lost at the very end shows only when something comes after it
        got = attached.sources()[len(old) :]
        return got and not set(of(OTHER, new)[of(OTHER, new).index(got[0]) :]) - set(got)

    wait_until(whole, "nothing lacks behind the first that came", interval=0.01)


def test_stray_packets_of_another_source_cost_nothing(node):
    """C5: an origin over UDP is known by its address; who forges that cannot empty the ring."""
    sn = node(11)
    pub = Publisher(sn.host)
    attached = Player(sn.host, nearcast=True).play()
    sent = pub.send(20)
    forge(pub, OTHER, [7])
    sent += pub.send(1)
    forge(pub, OTHER, range(8, 12))
    sent += pub.send(20)
    wait_sources(attached, of(SSRC, sent))
    late = Player(sn.host, nearcast=True).attach([sent[0]], SSRC)
    wait_sources(late, of(SSRC, sent))


def test_client_goes_on_with_a_publisher_that_is_back(network):
    """It says that the source has begun anew, and its output has both, each without a gap."""
    client = network.play()
    first = network.source
    first.publisher.teardown = first.publisher.close
    first.end()
    network.source = Source("127.0.0.8", OTHER)
    network.source.start()
    wait_until(lambda: len(client.events("restarted")) == 2, "both media have begun anew")
    network.media_for(1)
    network.source.end()
    assert client.end()["lost"] == 0
    assert_whole(client, first.publisher, network.source.publisher)


def test_client_that_fails_over_is_not_given_what_has_ended(network):
    """The node that it goes to has had the channel of that name before, and still has its packets."""
    before = network.source
    watch = Player("127.0.0.9", "/live", media=2, nearcast=True).play()
    before.start()
    wait_until(lambda: len(watch.sources()) > 20, "it has come")
    before.end()
    watch.told_end()
    network.source = Source("127.0.0.8", OTHER)
    client = network.play()
    network.nodes[0].send_signal(signal.SIGKILL)
    client.wait_event("resumed")
    network.media_for(1)
    network.source.end()
    assert client.end()["lost"] == 0
    assert_whole(client, network.source.publisher)

"""Ways between machines, read off routes and packets."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from tests.support.inpod import spoof
from tests.support.packets import Packet, decode_frame
from tests.support.parse import routes
from tests.support.vpc.paths import (
    alias_ways,
    direct,
    exceeded,
    hops,
    one_way,
    redirects,
    round_trip,
)
from tests.support.vpc.spoof import arrived

SUBNET, GATEWAY = IPv4Network("10.128.0.0/20"), IPv4Address("10.128.0.1")
BRIDGE = IPv4Address("10.128.15.254")
RAW = 101  # LINKTYPE_RAW


@pytest.mark.parametrize(
    ("route", "seen"),
    [
        ({"dst": "10.128.0.0/20", "dev": "eth0", "scope": "link"}, True),
        ({"dst": "10.128.0.3", "dev": "eth0", "scope": "link"}, True),
        ({"dst": "10.128.0.3", "gateway": "10.128.0.4", "dev": "eth0"}, True),
        ({"dst": "10.128.0.0/24", "gateway": "10.128.0.4", "dev": "eth0"}, True),
        ({"dst": "10.0.0.0/8", "dev": "eth0"}, True),
        ({"dst": "10.128.0.0/20", "gateway": "10.128.0.1", "dev": "eth0"}, False),
        ({"dst": "10.128.0.1", "dev": "eth0", "scope": "link"}, False),
        ({"dst": "10.128.15.254", "dev": "eth0", "scope": "link"}, False),
        ({"dst": "10.128.0.0/20", "gateway": "10.128.15.254", "dev": "eth0"}, True),
        ({"dst": "10.128.0.0/20", "type": "unreachable"}, False),
        ({"dst": "10.128.0.5", "dev": "lxc1"}, False),
        ({"dst": "default", "gateway": "10.128.15.254", "dev": "eth0"}, False),
        ({"dst": "10.4.0.0/20", "dev": "eth0"}, False),
    ],
)
def test_a_direct_way(route: dict[str, object], seen: bool) -> None:
    assert bool(direct(routes(json.dumps([route])), SUBNET, GATEWAY, BRIDGE)) is seen


SENT = Packet(protocol="TCP", source="a", destination="b", ttl=64)


def test_hops() -> None:
    came = replace(SENT, ttl=63)
    assert hops([SENT, SENT], [came]) == 1
    for left, arrived_ in (([SENT], []), ([SENT], [came, SENT]), ([], [])):
        with pytest.raises(ValueError, match="times to live"):
            hops(left, arrived_)


def test_packets_by_what_they_are() -> None:
    redirect = Packet(protocol="ICMP", source="r", icmp_type=5)
    over = Packet(protocol="ICMP", source="r", icmp_type=11)
    packets = [SENT, redirect, over, replace(SENT, source="b", destination="a")]
    assert redirects(packets) == [redirect]
    assert exceeded(packets) == {"r"}
    assert one_way(packets, "a", "b") == [SENT] == arrived(packets, "a", "b")


def test_alias_ranges_of_instances() -> None:
    nics = [{"networkIP": "10.128.0.2", "aliasIpRanges": [{"ipCidrRange": "10.4.0.0/26"}]}]
    found = alias_ways([{"networkInterfaces": nics}, {"networkInterfaces": []}])
    assert found == {IPv4Network("10.4.0.0/26"): "10.128.0.2"}


def test_a_round_trip() -> None:
    assert round_trip("64 bytes from 10.0.0.1: icmp_seq=1 ttl=63 time=100.4 ms") == 100.4
    with pytest.raises(ValueError, match="no echo"):
        round_trip("1 packets transmitted, 0 received")


def test_a_spoofed_datagram() -> None:
    frame = spoof.packet("192.0.2.1", "10.128.0.2", 9001, "hello")
    packet = decode_frame(frame, RAW)
    assert (packet.source, packet.destination) == ("192.0.2.1", "10.128.0.2")
    assert (packet.protocol, packet.destination_port, packet.payload) == ("UDP", 9001, b"hello")
    assert packet.length == len(frame)

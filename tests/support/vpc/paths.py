"""Ways between machines, read off routes and packets: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from tests.support.packets import Packet
from tests.support.parse import Route

REDIRECT, TIME_EXCEEDED = 5, 11  # ICMP's types (RFC 792)


def direct(
    routes: Iterable[Route],
    network: IPv4Network,
    gateway: IPv4Address,
    bridge: IPv4Address,
    own: str = "eth0",
) -> list[Route]:
    """Routes by that interface to anything of a range which do not lead by way of the gateway:
    over the link, or by another machine. The gateway itself and docker's bridge, the way out of
    the machine, are on the link."""
    near = [IPv4Network(gateway), IPv4Network(bridge)]
    return [
        route
        for route in routes
        if route.type == "unicast"
        and own in route.devices
        and isinstance(route.destination, IPv4Network)
        and route.destination.prefixlen > 0
        and route.destination.overlaps(network)
        and route.destination not in near
        and route.gateways != (str(gateway),)
    ]


def redirects(packets: Iterable[Packet]) -> list[Packet]:
    """The ICMP redirects among packets."""
    return [p for p in packets if p.protocol == "ICMP" and p.icmp_type == REDIRECT]


def exceeded(packets: Iterable[Packet]) -> set[str]:
    """Who said that a packet's time to live was over."""
    return {p.source for p in packets if p.protocol == "ICMP" and p.icmp_type == TIME_EXCEEDED}


def one_way(packets: Iterable[Packet], source: str, destination: str) -> list[Packet]:
    """The packets from one address to another."""
    return [p for p in packets if (p.source, p.destination) == (source, destination)]


def hops(left: Sequence[Packet], arrived: Sequence[Packet]) -> int:
    """How many routers decremented the time to live between two captures of the same packets.
    Raises ValueError where either has none, or their packets differ among themselves."""
    ttls = [{packet.ttl for packet in some} for some in (left, arrived)]
    if any(len(values) != 1 for values in ttls):
        raise ValueError(f"times to live are {ttls[0]} and {ttls[1]}")
    return ttls[0].pop() - ttls[1].pop()


def alias_ways(
    instances: Iterable[Mapping[str, object]],
) -> dict[IPv4Network, str]:
    """Every alias range of the instances (Compute's JSON), and the primary address that serves
    it."""
    found: dict[IPv4Network, str] = {}
    for instance in instances:
        nics = instance.get("networkInterfaces", [])
        assert isinstance(nics, list)
        for nic in nics:
            for alias in nic.get("aliasIpRanges", []):
                found[IPv4Network(alias["ipCidrRange"])] = nic["networkIP"]
    return found


def round_trip(text: str) -> float:
    """The milliseconds that ping says an echo took. Raises ValueError where it says none."""
    found = re.search(r"time=([0-9.]+) ms", text)
    if found is None:
        raise ValueError(f"no echo came back: {text}")
    return float(found[1])

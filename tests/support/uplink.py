"""What leaves the machine: made-up ranges are knocked at, and the watcher of the uplink judges."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

import pytest

from gkelab.lab import Lab
from tests.support.packets import Packet
from tests.support.places import Place
from tests.support.timeouts import TIMEOUTS


def uplink_of(lab: Lab) -> str:
    """The interface of the host's default route; without one the test is skipped."""
    routes = json.loads(lab.run(["ip", "-json", "route", "show", "default"]).stdout)
    if not routes:
        pytest.skip("this host has no default route, so nothing can leave it")
    return str(routes[0]["dev"])


def nobody(network: IPv4Network) -> IPv4Address:
    """The address of a range that is knocked at: one near its end, which nobody has."""
    return network[-3]


def knock(place: Place, ranges: Iterable[IPv4Network], *others: str) -> None:
    """Try to reach an address of each range that nobody has, and the others; what becomes of that
    is the watcher's to see."""
    addresses = [*(str(nobody(network)) for network in ranges), *others]
    how = ["curl", "--silent", "--parallel", "--parallel-immediate", "--max-time", "1"]
    place.exec(
        [*how, *(f"http://{address}/" for address in addresses)], timeout=TIMEOUTS.exec_grace
    )


def of_ranges(packets: Iterable[Packet], ranges: tuple[IPv4Network, ...]) -> list[Packet]:
    """Those of the packets that come from or go to one of the ranges."""

    def inside(text: str) -> bool:
        return bool(text) and ":" not in text and any(IPv4Address(text) in n for n in ranges)

    return [packet for packet in packets if inside(packet.source) or inside(packet.destination)]

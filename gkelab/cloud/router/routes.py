"""From a fabric to the kernel's routes and neighbours, and what changes what is there.

A route for each alias range by way of the instance's primary address, static routes, pools on
their subnet, and an unreachable route under everything that is made up, and under all else: what
the router does not know leaves by no other way. Neighbours are permanent, as the cloud knows each
interface's address: nobody can answer for another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from gkelab.cloud.router.compile import Interfaces
from gkelab.cloud.router.fabric import EVERYWHERE, Fabric, StaticRoute

# The lab's own number for what routes it made (rtnetlink(7): above RTPROT_STATIC it is free).
PROTOCOL = "71"
LAST_METRIC = 4_000_000_000
# Whose routes are left alone: the kernel's own for its interfaces, and what BGP learns.
OTHERS = ("kernel", "bgp", "186", "zebra", "11")
# What names a route to `ip`, by what its JSON calls it; a protocol that is not told is none.
NAMED = {"via": "gateway", "dev": "dev", "metric": "metric", "proto": "protocol"}


@dataclass(frozen=True, order=True)
class Route:
    """A route of the main table: on a device, by way of hosts (address, device), or
    unreachable where it has neither."""

    destination: IPv4Network
    metric: int = 0
    device: str = ""
    hops: tuple[tuple[IPv4Address, str], ...] = ()

    def words(self) -> str:
        """The words of `ip route` that name it whole."""
        if self.hops:
            one = len(self.hops) == 1
            how = " ".join(
                f"{'' if one else 'nexthop '}via {via} dev {device} onlink"
                for via, device in self.hops
            )
        else:
            how = f"dev {self.device} scope link" if self.device else ""
        kind = "" if how else "unreachable "
        metric = f" metric {self.metric}" if self.metric else ""
        return f"{kind}{self.destination} proto {PROTOCOL}{metric} {how}".rstrip()


@dataclass(frozen=True, order=True)
class Neighbour:
    """A permanent neighbour."""

    address: IPv4Address
    device: str
    mac: str


def wanted_routes(
    fabric: Fabric, interfaces: Interfaces, connected: Mapping[str, Sequence[IPv4Network]]
) -> frozenset[Route]:
    """The routes that there should be; `connected` is what the kernel reaches itself, by
    device."""
    fabric = fabric.only(interfaces.subnets)
    return frozenset(_routes(fabric, interfaces.subnets, connected))


def _routes(
    fabric: Fabric, names: Mapping[str, str], connected: Mapping[str, Sequence[IPv4Network]]
) -> Iterator[Route]:
    for subnet in fabric.subnets:
        # One that was expanded is larger than docker's network under it.
        device = names[subnet.link]
        if not any(subnet.range.subnet_of(whole) for whole in connected.get(device, ())):
            yield Route(subnet.range, device=device)
    # An internal pool is a part of its subnet, and would be unreachable without a route of its own.
    yield from (Route(pool.range, device=names[pool.subnet]) for pool in fabric.pools)
    for nic in fabric.nics:
        for alias in nic.aliases:
            yield Route(alias, hops=((nic.address, names[nic.subnet]),))
    alike: dict[tuple[IPv4Network, int], list[StaticRoute]] = {}
    for route in fabric.routes:
        alike.setdefault((route.destination, route.priority), []).append(route)
    for (destination, priority), routes in alike.items():
        hops = sorted({(route.via, names[route.subnet]) for route in routes})
        # Compute spreads over routes of one priority, too. Metric 0 would be the kernel's own.
        yield Route(destination, priority + 1, hops=tuple(hops))
    held = {n for subnet in fabric.subnets for n in subnet.secondary}
    held |= {pool.range for pool in fabric.pools} | set(fabric.made_up) | {EVERYWHERE}
    yield from (Route(network, LAST_METRIC) for network in held)


def wanted_neighbours(fabric: Fabric, interfaces: Interfaces) -> frozenset[Neighbour]:
    """The neighbours that there should be."""
    names = interfaces.subnets
    return frozenset(
        Neighbour(nic.address, names[nic.subnet], nic.mac) for nic in fabric.only(names).nics
    )


def parse_routes(text: str) -> tuple[frozenset[Route], frozenset[str]]:
    """`ip -json -4 route show table main`: the router's own routes, and the words that delete
    those of others that should not be there."""
    own, foreign = [], []
    for raw in json.loads(text or "[]"):
        protocol = str(raw.get("protocol", ""))
        if protocol in OTHERS:
            continue
        if protocol == PROTOCOL:
            own.append(_route(raw))
        else:
            kind = f"{raw['type']} " if "type" in raw else ""
            named = (
                ("via", "gateway"),
                ("dev", "dev"),
                ("metric", "metric"),
                ("proto", "protocol"),
            )
            words = [f" {word} {raw[key]}" for word, key in named if key in raw]
            foreign.append(f"{kind}{raw['dst']}{''.join(words)}")
    return frozenset(own), frozenset(foreign)


def _route(raw: Mapping[str, object]) -> Route:
    text = str(raw["dst"])
    hops: list[tuple[IPv4Address, str]] = []
    several = raw.get("nexthops")
    for hop in several if isinstance(several, list) else [raw]:
        if "gateway" in hop:
            hops.append((IPv4Address(str(hop["gateway"])), str(hop["dev"])))
    unreachable = raw.get("type") == "unreachable"
    return Route(
        EVERYWHERE if text == "default" else IPv4Network(text),
        int(str(raw.get("metric", 0))),
        "" if hops or unreachable else str(raw.get("dev", "")),
        tuple(sorted(hops)),
    )


def parse_neighbours(text: str, devices: Iterable[str]) -> frozenset[Neighbour]:
    """`ip -json -4 neigh show nud permanent`: those on these devices."""
    return frozenset(
        Neighbour(IPv4Address(raw["dst"]), raw["dev"], raw["lladdr"])
        for raw in json.loads(text or "[]")
        if raw.get("dev") in set(devices) and "lladdr" in raw
    )


def change_routes(
    there: frozenset[Route], foreign: frozenset[str], wanted: frozenset[Route]
) -> list[str]:
    """What `ip -batch` must do. What replaces comes before what is deleted, so that nothing
    wanted is away for a moment."""
    key = {(route.destination, route.metric) for route in wanted}
    new = [f"route replace {route.words()}" for route in sorted(wanted - there)]
    gone = [
        f"route del {route.words()}"
        for route in sorted(there - wanted)
        if (route.destination, route.metric) not in key
    ]
    return [*new, *gone, *(f"route del {words}" for words in sorted(foreign))]


def change_neighbours(there: frozenset[Neighbour], wanted: frozenset[Neighbour]) -> list[str]:
    """What `ip -batch` must do."""
    key = {(n.address, n.device) for n in wanted}
    return [
        *(
            f"neigh replace {n.address} lladdr {n.mac} dev {n.device} nud permanent"
            for n in sorted(wanted - there)
        ),
        *(
            f"neigh del {n.address} dev {n.device}"
            for n in sorted(there - wanted)
            if (n.address, n.device) not in key
        ),
    ]

"""From a fabric to the kernel's routes and neighbours, and what changes what is there.

A route for each alias range by way of the instance's primary address, pools on their subnet, and
an unreachable route under everything that is made up, and under all else: what the router does not
know leaves by no other way. Static routes stand in tables of the groups that they are for, and
throw back to the main table what it leads. Neighbours are permanent, as the cloud knows each
interface's address: nobody can answer for another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from gkelab.cloud.router.applicable import FIRST_TABLE, Group, groups
from gkelab.cloud.router.compile import Interfaces
from gkelab.cloud.router.fabric import EVERYWHERE, Fabric

# The lab's own number for what routes it made (rtnetlink(7): above RTPROT_STATIC it is free).
PROTOCOL = "71"
LAST_METRIC = 4_000_000_000
THROW = "throw"
# Whose routes are left alone: the kernel's own for its interfaces, and what BGP learns.
OTHERS = ("kernel", "bgp", "186", "zebra", "11")
MAIN = 254
# What the kernel has of itself, and the place of the groups' look-ups among it (ip-rule(8)).
DEFAULT_LOOKUPS = ((0, "local"), (32766, "main"), (32767, "default"))
LOOKUP_PRIORITY = 1000
# What names a route to `ip`, by what its JSON calls it; a protocol that is not told is none.
NAMED = {
    "via": "gateway",
    "dev": "dev",
    "metric": "metric",
    "proto": "protocol",
    "table": "table",
}


@dataclass(frozen=True, order=True)
class Route:
    """A route: on a device, by way of hosts (address, device), or of a kind that leads nowhere:
    unreachable, or throw, which has the next table asked."""

    destination: IPv4Network
    metric: int = 0
    device: str = ""
    hops: tuple[tuple[IPv4Address, str], ...] = ()
    kind: str = "unreachable"
    table: int = MAIN

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
        kind = "" if how else f"{self.kind} "
        table = f" table {self.table}" if self.table != MAIN else ""
        metric = f" metric {self.metric}" if self.metric else ""
        return f"{kind}{self.destination}{table} proto {PROTOCOL}{metric} {how}".rstrip()


@dataclass(frozen=True, order=True)
class Lookup:
    """A rule of ip-rule(8): whose packets (by their mark; 0: all) are led by which table ("":
    what else one may do with them)."""

    priority: int
    table: str
    mark: int = 0

    def words(self) -> str:
        """The words of `ip rule` that name it."""
        mark = f" fwmark {self.mark:#x}" if self.mark else ""
        table = f" lookup {self.table}" if self.table else ""
        return f"priority {self.priority}{mark}{table}"


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
    for group in groups(fabric):
        if group.has_table:
            yield from _table(group, fabric, names)
    held = {n for subnet in fabric.subnets for n in subnet.secondary}
    held |= {pool.range for pool in fabric.pools} | set(fabric.made_up) | {EVERYWHERE}
    yield from (Route(network, LAST_METRIC) for network in held)


def _table(group: Group, fabric: Fabric, names: Mapping[str, str]) -> Iterator[Route]:
    # Compute spreads over routes of one priority, too. Metric 0 would be the kernel's own.
    alike: dict[tuple[IPv4Network, int], set[tuple[IPv4Address, str]]] = {}
    for route in group.routes:
        hops = alike.setdefault((route.destination, route.priority + 1), set())
        if route.via is not None:
            hops.add((route.via, names[route.subnet]))
    for (destination, metric), hops in alike.items():
        # What is the internet gateway's is on an interface of the main table's.
        kind = "unreachable" if hops else THROW
        yield Route(destination, metric, "", tuple(sorted(hops)), kind, group.table)
    back = [(network, 0) for network in fabric.kept(group.network)]
    back += [(network, LAST_METRIC) for network in fabric.held]
    for destination, metric in back:
        yield Route(destination, metric, kind=THROW, table=group.table)


def wanted_lookups(fabric: Fabric, interfaces: Interfaces) -> frozenset[Lookup]:
    """The look-ups that there should be: the kernel's own, and one for each group's table."""
    made = groups(fabric.only(interfaces.subnets))
    own = (Lookup(LOOKUP_PRIORITY, str(g.table), g.table) for g in made if g.has_table)
    return frozenset((*(Lookup(*one) for one in DEFAULT_LOOKUPS), *own))


def wanted_neighbours(fabric: Fabric, interfaces: Interfaces) -> frozenset[Neighbour]:
    """The neighbours that there should be."""
    names = interfaces.subnets
    return frozenset(
        Neighbour(nic.address, names[nic.subnet], nic.mac) for nic in fabric.only(names).nics
    )


def parse_routes(text: str) -> tuple[frozenset[Route], frozenset[str]]:
    """`ip -json -4 route show table all`: the router's own routes, and the words that delete
    those of others that should not be there."""
    own, foreign = [], []
    for raw in json.loads(text or "[]"):
        protocol = str(raw.get("protocol", ""))
        if protocol in OTHERS or not _looked_up(raw):
            continue
        if protocol == PROTOCOL:
            own.append(_route(raw))
        else:
            kind = f"{raw['type']} " if "type" in raw else ""
            words = [f" {word} {raw[key]}" for word, key in NAMED.items() if key in raw]
            foreign.append(f"{kind}{raw['dst']}{''.join(words)}")
    return frozenset(own), frozenset(foreign)


def _looked_up(raw: Mapping[str, Any]) -> bool:
    """Whether a route is of the main table (then none is named) or of a group's."""
    table = str(raw.get("table", MAIN))
    return table in (str(MAIN), "main") or (table.isdecimal() and int(table) >= FIRST_TABLE)


def _route(raw: Mapping[str, Any]) -> Route:
    text = str(raw["dst"])
    hops: list[tuple[IPv4Address, str]] = []
    several = raw.get("nexthops")
    for hop in several if isinstance(several, list) else [raw]:
        if "gateway" in hop:
            hops.append((IPv4Address(str(hop["gateway"])), str(hop["dev"])))
    kind = str(raw.get("type", "unicast"))
    nowhere = kind in ("unreachable", THROW)
    table = str(raw.get("table", MAIN))
    return Route(
        EVERYWHERE if text == "default" else IPv4Network(text),
        int(raw.get("metric", 0)),
        "" if hops or nowhere else str(raw.get("dev", "")),
        tuple(sorted(hops)),
        THROW if kind == THROW else "unreachable",
        int(table) if table.isdecimal() else MAIN,
    )


def parse_lookups(text: str) -> list[Lookup]:
    """`ip -json -4 rule show`. Of what else one looks at than the mark, nothing is told."""
    return [
        Lookup(raw["priority"], str(raw.get("table", "")), int(raw.get("fwmark", "0"), 0))
        for raw in json.loads(text or "[]")
    ]


def change_lookups(there: Sequence[Lookup], wanted: frozenset[Lookup]) -> list[str]:
    """What `ip -batch` must do."""
    new = [f"rule add {one.words()}" for one in sorted(wanted - frozenset(there))]
    return new + [f"rule del {one.words()}" for one in sorted(there) if one not in wanted]


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
    key = {(route.table, route.destination, route.metric) for route in wanted}
    new = [f"route replace {route.words()}" for route in sorted(wanted - there)]
    gone = [
        f"route del {route.words()}"
        for route in sorted(there - wanted)
        if (route.table, route.destination, route.metric) not in key
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

"""From the cloud's state (the JSON of its state, one generation whole) to a fabric.

The state is another program's, so nothing here trusts it: a resource that cannot be read, or that
contradicts one before it, is left out and told, and the others stand.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, TypeVar

from gkelab.cloud.router.fabric import (
    Fabric,
    Nic,
    Pool,
    StaticRoute,
    Subnet,
)
from gkelab.cloud.router.reading_rules import Body, last, rule
from gkelab.cloud.router.settings import Settings

T = TypeVar("T")
# Who is not there to send or to receive.
STOPPED = ("TERMINATED", "STOPPED", "SUSPENDED")


def read(state: object, settings: Settings) -> tuple[Fabric, list[str]]:
    """The fabric, and a sentence for each thing that was left out."""
    problems: list[str] = []
    said = state if isinstance(state, dict) else {}
    found = said.get("resources")
    resources = found if isinstance(found, dict) else {}
    if not isinstance(found, dict):
        problems.append("the state has no resources")

    def each(collection: str, one: Callable[[Body], Iterator[T]]) -> list[T]:
        items = resources.get(collection, [])
        ordered = sorted(items, key=_age) if isinstance(items, list) else []
        return list(_each(collection, ordered, one, problems))

    subnets = _apart(each("subnetworks", _subnet), problems)
    links = {subnet.link: subnet for subnet in subnets}
    nics = _own(each("instances", lambda body: _nics(body, links)), problems)
    fabric = Fabric(
        project=str(said.get("project", "")),
        generation=_generation(said.get("generation")),
        subnets=subnets,
        nics=nics,
        rules=tuple(sorted(each("firewalls", rule), key=lambda one: one.rank)),
        internet=settings.internet,
        made_up=settings.made_up,
    )
    fabric = replace(fabric, pools=_pools(fabric, settings, problems))
    routes = each("routes", lambda body: _route(body, fabric))
    return replace(fabric, routes=tuple(sorted(routes, key=lambda one: one.rank))), problems


def _each(
    collection: str, items: list[Any], one: Callable[[Body], Iterator[T]], problems: list[str]
) -> Iterator[T]:
    for item in items:
        try:
            yield from list(one(item))
        except (KeyError, TypeError, ValueError, AttributeError) as bad:
            name = item.get("name", "?") if isinstance(item, dict) else "?"
            why = f"it has no {bad}" if isinstance(bad, KeyError) else str(bad)
            problems.append(f"{collection} {name} is left out: {why}")


def _generation(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _age(item: Any) -> tuple[str, str]:
    """Who was there first comes first: what comes later takes nothing from it."""
    body = item if isinstance(item, dict) else {}
    return str(body.get("creationTimestamp", "")), str(body.get("selfLink", ""))


def relative(link: str) -> str:
    """A link from projects/ on, whatever its host and version."""
    before, found, after = link.partition("projects/")
    return found + after if found else before


def _subnet(body: Body) -> Iterator[Subnet]:
    whole = IPv4Network(body["ipCidrRange"])
    yield Subnet(
        link=relative(body["selfLink"]),
        name=body["name"],
        region=last(body["region"]),
        network=last(body["network"]),
        range=whole,
        gateway=IPv4Address(body["gatewayAddress"]) if "gatewayAddress" in body else whole[1],
        secondary=tuple(
            IPv4Network(item["ipCidrRange"]) for item in body.get("secondaryIpRanges", ())
        ),
    )


def _apart(subnets: Iterable[Subnet], problems: list[str]) -> tuple[Subnet, ...]:
    """Subnets whose ranges are nobody else's: there is one router, so two networks of a project
    cannot have the same addresses here, though Compute lets them."""
    kept: list[Subnet] = []
    for subnet in subnets:
        own = (subnet.range, *subnet.secondary)
        others = [(o, n) for o in kept for n in (o.range, *o.secondary)]
        met = [f"{o.name}'s {n}" for o, n in others for mine in own if mine.overlaps(n)]
        if met:
            problems.append(f"subnetworks {subnet.name} is left out: it overlaps {met[0]}")
        else:
            kept.append(subnet)
    return tuple(kept)


def _nics(body: Body, subnets: Mapping[str, Subnet]) -> Iterator[Nic]:
    if body.get("status") in STOPPED:
        return
    for nic in body["networkInterfaces"]:
        link = relative(nic["subnetwork"])
        if link not in subnets:
            raise ValueError(f"its subnetwork {last(link)} is not there")
        subnet = subnets[link]
        address = IPv4Address(nic["networkIP"])
        if address not in subnet.range:
            raise ValueError(f"its address {address} is not of subnetwork {subnet.name}")
        aliases = [IPv4Network(item["ipCidrRange"]) for item in nic.get("aliasIpRanges", ())]
        for alias in aliases:
            if not any(alias.subnet_of(whole) for whole in (subnet.range, *subnet.secondary)):
                raise ValueError(f"its alias range {alias} is not of subnetwork {subnet.name}")
        public = [c["natIP"] for c in nic.get("accessConfigs", ()) if c.get("natIP")]
        yield Nic(
            instance=body["name"],
            zone=last(body["zone"]),
            network=subnet.network,
            subnet=link,
            address=address,
            aliases=tuple(sorted(aliases)),
            tags=frozenset(body.get("tags", {}).get("items", ())),
            can_ip_forward=body.get("canIpForward") is True,
            nat_ip=IPv4Address(public[0]) if public else None,
        )


def _own(nics: Iterable[Nic], problems: list[str]) -> tuple[Nic, ...]:
    """Interfaces of whose addresses each is one's alone: who came first keeps them."""
    taken = Taken()
    kept = []
    for nic in nics:
        own = (*nic.ranges, *((IPv4Network(nic.nat_ip),) if nic.nat_ip else ()))
        other = next((other for n in own if (other := taken.whose(n))), None)
        if other:
            problems.append(f"instances {nic.instance} is left out: {other} has its address")
            continue
        for network in own:
            taken.take(network, nic.instance)
        kept.append(nic)
    return tuple(kept)


class Taken:
    """Ranges that are somebody's, none overlapping another; asking is quick with thousands."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int, str]] = []

    def whose(self, network: IPv4Network) -> str | None:
        """Who has a part of the range."""
        first, last_ = int(network[0]), int(network[-1])
        place = bisect_right(self._spans, (last_, 1 << 32, ""))
        if place and self._spans[place - 1][1] >= first:
            return self._spans[place - 1][2]
        return None

    def take(self, network: IPv4Network, name: str) -> None:
        """Have the range be theirs; nobody else has a part of it."""
        insort(self._spans, (int(network[0]), int(network[-1]), name))


def _pools(fabric: Fabric, settings: Settings, problems: list[str]) -> tuple[Pool, ...]:
    pools: list[Pool] = []
    taken = [n for nic in fabric.nics for n in nic.ranges]
    taken += [IPv4Network(address) for address in fabric.public]
    for said in settings.pools:
        subnet = next((s for s in fabric.subnets if s.name == said.subnet), None)
        if subnet is None:
            problems.append(f"the pool {said.range} is left out: no subnetwork {said.subnet}")
            continue
        met = [n for n in (*taken, *(p.range for p in pools)) if n.overlaps(said.range)]
        if met:
            problems.append(f"the pool {said.range} is left out: {met[0]} is in use")
            continue
        public = not said.range.overlaps(subnet.range)
        bare = Pool(said.range, subnet.link, subnet.network, said.tag, public)
        # Which of its servers has an address now, only the announcement says: a rule is for the
        # pool if it is for each of them.
        tags = [nic.tags for nic in fabric.servers(bare)]
        common = frozenset.intersection(*tags) if tags else frozenset()
        pools.append(replace(bare, tags=common | {said.tag}))
    return tuple(pools)


def _route(body: Body, fabric: Fabric) -> Iterator[StaticRoute]:
    if "nextHopNetwork" in body:
        return
    route = StaticRoute(
        name=body["name"],
        network=last(body["network"]),
        destination=IPv4Network(body["destRange"]),
        priority=int(body["priority"]),
        tags=frozenset(body.get("tags", ())),
    )
    if "nextHopGateway" in body:
        yield route
        return
    nic = _hop(body, route.network, fabric)
    if nic is None:
        raise ValueError("its next hop is no running instance of the network")
    if not nic.can_ip_forward:
        raise ValueError(f"its next hop {nic.instance} does not have canIpForward set")
    for subnet in fabric.subnets:
        own = (subnet.range, *subnet.secondary) if subnet.network == route.network else ()
        if any(route.destination.subnet_of(n) for n in own):
            raise ValueError(f"its destination is within subnetwork {subnet.name}")
    yield replace(route, via=nic.address, subnet=nic.subnet)


def _hop(body: Body, network: str, fabric: Fabric) -> Nic | None:
    if "nextHopIp" in body:
        nic = fabric.nics_by_address.get(IPv4Address(body["nextHopIp"]))
        return nic if nic and nic.network == network else None
    *_, zone, _, name = relative(body["nextHopInstance"]).split("/")
    found = (n for n in fabric.nics if (n.zone, n.instance, n.network) == (zone, name, network))
    return next(found, None)

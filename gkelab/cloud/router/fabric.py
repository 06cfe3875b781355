"""What the router makes real: a VPC's subnets, interfaces of instances, routes and rules, typed.

Built from the cloud's state by `reading`; everything after it works on these, and trusts them:
no two ranges of a fabric that lead to different places overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from gkelab.ipam import mac_address

EVERYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Subnet:
    """A subnet; `link` is its self link from projects/ on, `gateway` the router's address in it."""

    link: str
    name: str
    region: str
    network: str
    range: IPv4Network
    gateway: IPv4Address
    secondary: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True)
class Nic:
    """A running instance's interface in one network. `subnet` is the subnet's link, `nat_ip` the
    public address that stands for the primary one."""

    instance: str
    zone: str
    network: str
    subnet: str
    address: IPv4Address
    aliases: tuple[IPv4Network, ...] = ()
    tags: frozenset[str] = frozenset()
    can_ip_forward: bool = False
    nat_ip: IPv4Address | None = None

    @property
    def mac(self) -> str:
        """Compute's scheme: 42:01 and the primary address."""
        return mac_address(self.address)

    @property
    def region(self) -> str:
        """The region that the instance's zone is in."""
        return self.zone.rpartition("-")[0]

    @property
    def ranges(self) -> tuple[IPv4Network, ...]:
        """The primary address, and the alias ranges."""
        return (IPv4Network(self.address), *self.aliases)


@dataclass(frozen=True)
class Pool:
    """Addresses of load balancers, which the instances with `tag` in the subnet serve, whichever
    announces them. `subnet` is the subnet's link. `public`: the internet reaches them."""

    range: IPv4Network
    subnet: str
    network: str
    tag: str
    public: bool
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class StaticRoute:
    """A route that a person made: to the instance whose primary address in a subnet (its link) is
    `via`, or to the internet (None). With `tags` it is for instances that have one of them."""

    name: str
    network: str
    destination: IPv4Network
    priority: int
    via: IPv4Address | None = None
    subnet: str = ""
    tags: frozenset[str] = frozenset()

    def applies(self, network: str, tags: frozenset[str]) -> bool:
        """Whether it is for an interface of that network whose instance has those tags
        (vpc/docs/routes, "Applicable routes")."""
        return self.network == network and (not self.tags or bool(self.tags & tags))

    @property
    def rank(self) -> tuple[int, int, bool, str]:
        """Which is taken first: the longest, of those the one with the lowest number."""
        return -self.destination.prefixlen, self.priority, self.via is None, self.name


@dataclass(frozen=True)
class Service:
    """A protocol (a number; None for all), and the destination ports (first, last); none: all."""

    protocol: int | None
    ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Rule:
    """An enabled firewall rule. Of an ingress rule, a connection's source must be in `sources`
    or be the primary address of an interface with one of `source_tags`."""

    name: str
    network: str
    direction: str
    priority: int
    deny: bool
    services: tuple[Service, ...]
    sources: tuple[IPv4Network, ...] = ()
    destinations: tuple[IPv4Network, ...] = ()
    source_tags: frozenset[str] = frozenset()
    target_tags: frozenset[str] = frozenset()
    logging: bool = False
    metadata: bool = True

    @property
    def ingress(self) -> bool:
        """Whether it decides where a connection arrives."""
        return self.direction == "INGRESS"

    @property
    def rank(self) -> tuple[int, bool, str]:
        """Which decides first: the lowest number, of the same number those that deny
        (vpc/docs/firewalls, "Priority and overlapping rules")."""
        return self.priority, not self.deny, self.name

    def targets(self, network: str, tags: frozenset[str]) -> bool:
        """Whether it is for an interface of that network whose instance has those tags."""
        return self.network == network and (not self.target_tags or bool(self.target_tags & tags))


@dataclass(frozen=True)
class Fabric:
    """A VPC at one generation of its state."""

    project: str = ""
    generation: int = -1
    subnets: tuple[Subnet, ...] = ()
    nics: tuple[Nic, ...] = ()
    pools: tuple[Pool, ...] = ()
    routes: tuple[StaticRoute, ...] = ()
    rules: tuple[Rule, ...] = ()
    internet: IPv4Network | None = None
    made_up: tuple[IPv4Network, ...] = ()

    @cached_property
    def subnets_by_link(self) -> dict[str, Subnet]:
        """The subnets by their links."""
        return {subnet.link: subnet for subnet in self.subnets}

    @cached_property
    def nics_by_address(self) -> dict[IPv4Address, Nic]:
        """The interfaces by their primary addresses."""
        return {nic.address: nic for nic in self.nics}

    @cached_property
    def public(self) -> dict[IPv4Address, Nic]:
        """The interfaces by their public addresses."""
        return {nic.nat_ip: nic for nic in self.nics if nic.nat_ip}

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """The networks that have a subnet, in order of their names."""
        return tuple(sorted({subnet.network for subnet in self.subnets}))

    def owner(self, address: IPv4Address) -> Nic | Pool | None:
        """Whose address it is."""
        if address in self.nics_by_address:
            return self.nics_by_address[address]
        owners = (nic for nic in self.nics if any(address in alias for alias in nic.aliases))
        return next(owners, None) or next((p for p in self.pools if address in p.range), None)

    def kept(self, network: str) -> tuple[IPv4Network, ...]:
        """What a network's subnets and pools have, used or not: no static route leads there."""
        subnets = (s for s in self.subnets if s.network == network)
        own = (n for s in subnets for n in (s.range, *s.secondary))
        return (*own, *(pool.range for pool in self.pools if pool.network == network))

    @cached_property
    def held(self) -> tuple[IPv4Network, ...]:
        """The made-up ranges that no shorter route leads into: all but those that have a part of
        the internet."""
        internet = self.internet
        return tuple(n for n in self.made_up if not (internet and n.overlaps(internet)))

    def servers(self, pool: Pool) -> Iterator[Nic]:
        """The interfaces that may have a pool's addresses."""
        return (n for n in self.nics if n.subnet == pool.subnet and pool.tag in n.tags)

    def tagged(self, network: str, tags: Iterable[str]) -> list[IPv4Address]:
        """The primary addresses of a network's interfaces with one of the tags: alias ranges do
        not count as a source by tag (vpc/docs/firewalls, "Source tags")."""
        wanted = frozenset(tags)
        return [n.address for n in self.nics if n.network == network and n.tags & wanted]

    def only(self, links: Iterable[str]) -> Fabric:
        """The fabric as far as these subnets go: the router has no interface in others."""
        kept = frozenset(links)
        return replace(
            self,
            subnets=tuple(s for s in self.subnets if s.link in kept),
            nics=tuple(n for n in self.nics if n.subnet in kept),
            pools=tuple(p for p in self.pools if p.subnet in kept),
            routes=tuple(r for r in self.routes if r.via is None or r.subnet in kept),
        )

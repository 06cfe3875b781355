"""Which routes are for whom: those of a network, without tags or with one of the instance's
(vpc/docs/routes, "Applicable routes").

Who shares them is a group, which has a table of its own in the kernel as soon as an instance is a
next hop in it; what its table does not know is the main table's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab.cloud.router.classes import short_hash
from gkelab.cloud.router.fabric import Fabric, Nic, StaticRoute
from gkelab.ipam import free_ranges, used_ranges

# The groups' tables begin here. A packet's mark is its table's number, or the primary address of
# who sent it: as an address, this is of 0.0.0.0/8, which is nobody's (RFC 1122, 3.2.1.3).
FIRST_TABLE = 1 << 23


@dataclass(frozen=True)
class Group:
    """Interfaces of a network that the same routes are for, as of the tags that routes have their
    instances have the same; `routes` stand in the order in which they are asked."""

    network: str
    tags: frozenset[str]
    nics: tuple[Nic, ...]
    routes: tuple[StaticRoute, ...]
    table: int

    @property
    def name(self) -> str:
        """What stands for it in the names of chains and sets."""
        return short_hash(self.network, *sorted(self.tags))

    @property
    def has_table(self) -> bool:
        """Whether its routes are not only those that all have."""
        return any(route.via is not None for route in self.routes)

    def led(self, fabric: Fabric) -> Iterator[IPv4Network]:
        """Where its routes lead: each as far as no better one leads elsewhere. Behind the
        internet's gateway there is the internet, and nothing else."""
        taken = list(fabric.kept(self.network))
        internet = [fabric.internet] if fabric.internet else []
        for route in self.routes:
            whole = route.destination
            held = (n for n in fabric.held if n.prefixlen > whole.prefixlen)
            for free in free_ranges(whole, (*taken, *held)):
                yield from [free] if route.via is not None else used_ranges(free, internet)
            taken.append(whole)


def groups(fabric: Fabric) -> tuple[Group, ...]:
    """The groups of all interfaces; of each network one without tags, which may have none."""
    known = {
        network: frozenset(tag for r in fabric.routes if r.network == network for tag in r.tags)
        for network in fabric.networks
    }
    members: dict[tuple[str, tuple[str, ...]], list[Nic]] = {(name, ()): [] for name in known}
    for nic in fabric.nics:
        key = nic.network, tuple(sorted(known[nic.network] & nic.tags))
        members.setdefault(key, []).append(nic)
    numbers: set[int] = set()
    made = []
    for (network, tags), nics in sorted(members.items()):
        number = int(short_hash(network, *tags), 16) % FIRST_TABLE
        while number in numbers:
            number = (number + 1) % FIRST_TABLE
        numbers.add(number)
        routes = [r for r in fabric.routes if r.applies(network, frozenset(tags))]
        routes.sort(key=lambda route: route.rank)
        made.append(
            Group(network, frozenset(tags), tuple(nics), tuple(routes), FIRST_TABLE + number)
        )
    return tuple(made)

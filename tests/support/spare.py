"""Addresses and ranges that nobody else in a lab has, for tests to use."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from gkelab.topology import ResolvedTopology, Subnet

# Of what the default network's rules let in from (10.128.0.0/9), and of what they do not.
INTERNAL, UNRULED = IPv4Network("10.192.0.0/10"), IPv4Network("10.64.0.0/10")
BENCH = 5  # the lab's own containers, those of the bench among them, have the first of these


def spare(plan: ResolvedTopology, index: int) -> IPv4Address:
    """The spare address of that number, from the top on; each test that runs beside others has
    numbers of its own. Raises LookupError where the pools leave no more."""
    whole = plan.external_range
    free = [a for a in reversed(list(whole.hosts())) if not _pooled(a, plan)]
    if index >= len(free):
        raise LookupError(f"{whole} has {len(free)} addresses that are in no pool")
    return free[index]


def spare_range(plan: ResolvedTopology, index: int, within: IPv4Network = INTERNAL) -> IPv4Network:
    """The /22 of that number, from the top down, that meets no range of the lab's; tests that run
    beside each other have numbers of their own, up to 15."""
    taken = [*plan.made_up_ranges(), *(subnet.primary for subnet in plan.subnets)]
    free = [n for n in within.subnets(new_prefix=22) if _apart(n, taken)]
    return free[-1 - index]


def _apart(network: IPv4Network, taken: Sequence[IPv4Network]) -> bool:
    return not any(network.overlaps(other) for other in taken)


def spare_primary(subnet: Subnet, index: int) -> IPv4Address:
    """The address of that number of a subnet's primary range that is nobody's, and that no
    machine is given unless it asks for this one; each test that runs beside others has numbers
    of its own."""
    return subnet.lab_address(BENCH + index)


def spare_frontends(plan: ResolvedTopology, index: int = 0) -> IPv4Network:
    """Eight addresses of the front ends' range, from its end: the cloud gives out the first ones.
    Tests that run beside each other have numbers of their own."""
    return list(plan.frontend_range.subnets(new_prefix=29))[-1 - index]


def _pooled(address: IPv4Address, plan: ResolvedTopology) -> bool:
    pools: list[IPv4Network] = [cluster.external_pool for cluster in plan.clusters]
    return any(address in pool for pool in pools)

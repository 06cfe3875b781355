"""Addresses of the external range that no cluster's pool has: public ones for tests to use."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from gkelab.topology import ResolvedTopology


def spare(plan: ResolvedTopology, index: int) -> IPv4Address:
    """The spare address of that number, from the top on; each test that runs beside others has
    numbers of its own. Raises LookupError where the pools leave no more."""
    whole = plan.external_range
    free = [a for a in reversed(list(whole.hosts())) if not _pooled(a, plan)]
    if index >= len(free):
        raise LookupError(f"{whole} has {len(free)} addresses that are in no pool")
    return free[index]


def _pooled(address: IPv4Address, plan: ResolvedTopology) -> bool:
    pools: list[IPv4Network] = [cluster.external_pool for cluster in plan.clusters]
    return any(address in pool for pool in pools)

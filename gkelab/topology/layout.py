"""How a subnet's primary range and the external range are divided: pure, on declared data.

A primary range, from its bottom to its top:
gateway (.1), nodes (.2 on), unused, internal pools, lab containers, bridge, broadcast.
The pools keep off the top block, which is for the containers that are not nodes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

from gkelab import ipam
from gkelab.topology.model import ClusterSpec, Topology

# An internal pool is an eighth of the primary range, and at most 256 addresses.
_INTERNAL_SHARE_BITS = 3
_LARGEST_INTERNAL_POOL = 24
# An external pool is a quarter of the external range, so that the first four clusters of a
# topology keep theirs when another is added; it has at least 8 addresses.
_EXTERNAL_SHARE_BITS = 2
SMALLEST_EXTERNAL_POOL = 29


@dataclass(frozen=True)
class SubnetLayout:
    """Who has which addresses of a primary range: clusters' names to pools and to node
    addresses, the control plane's first."""

    internal_pools: dict[str, IPv4Network]
    node_addresses: dict[str, tuple[IPv4Address, ...]]


def external_pools(external: IPv4Network, clusters: int) -> tuple[IPv4Network, ...] | None:
    """A part of the external range a cluster, equal in size, lowest first; None if the parts
    would be smaller than a /29."""
    prefixlen = external.prefixlen + max(_EXTERNAL_SHARE_BITS, (clusters - 1).bit_length())
    if prefixlen > SMALLEST_EXTERNAL_POOL:
        return None
    return tuple(islice(external.subnets(new_prefix=prefixlen), clusters))


def smallest_external_range(clusters: int) -> int:
    """The prefix length of the smallest external range that serves so many clusters."""
    return SMALLEST_EXTERNAL_POOL - max(_EXTERNAL_SHARE_BITS, (clusters - 1).bit_length())


def subnet_layout(topology: Topology, subnet: str) -> SubnetLayout | None:
    """Divide the named subnet's primary range among its clusters; None if they do not fit.

    One address must be left for a lab container.
    """
    primary = next(s.ip_cidr_range for s in topology.network.subnets if s.name == subnet)
    clusters = topology.clusters_of(subnet)
    pools = _internal_pools(primary, clusters)
    if pools is None:
        return None
    free = ipam.assignable_addresses(primary, pools.values())
    nodes = {cluster.name: tuple(islice(free, cluster.node_total)) for cluster in clusters}
    if any(len(nodes[cluster.name]) < cluster.node_total for cluster in clusters):
        return None
    return SubnetLayout(pools, nodes) if next(free, None) is not None else None


def _internal_pools(
    primary: IPv4Network, clusters: Sequence[ClusterSpec]
) -> dict[str, IPv4Network] | None:
    prefixlen = max(_LARGEST_INTERNAL_POOL, primary.prefixlen + _INTERNAL_SHARE_BITS)
    size = 1 << (32 - prefixlen)
    declared = {c.name: c.internal_range for c in clusters if c.internal_range is not None}
    kept = [
        *declared.values(),
        *(IPv4Network(address) for address in ipam.reserved_addresses(primary)),
    ]
    # Downwards; what Google reserves keeps them off the top block and the lowest.
    starts = range(int(primary[-1]) + 1 - size, int(primary[0]), -size)
    blocks = (IPv4Network((start, prefixlen)) for start in starts)
    free = (block for block in blocks if not any(block.overlaps(other) for other in kept))
    pools = {}
    for cluster in clusters:
        pool = declared.get(cluster.name) or next(free, None)
        if pool is None:
            return None
        pools[cluster.name] = pool
    return pools

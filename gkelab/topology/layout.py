"""How a subnet's primary range and the external range are divided: pure, on declared data.

A primary range, from its bottom to its top:
gateway (.1), nodes (.2 on), unused, VMs (from the middle on), unused, internal pools, lab
containers, bridge, broadcast.
The pools keep off the top block, which is for the containers that are no machines. VMs begin in
the middle, so that neither more nodes nor more pools move them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from itertools import chain, islice

from gkelab import ipam
from gkelab.topology.fields import Size
from gkelab.topology.model import ClusterSpec, Topology
from gkelab.topology.vpc_model import VmSpec

# An internal pool is an eighth of the primary range, and at most 256 addresses.
_INTERNAL_SHARE_BITS = 3
_LARGEST_INTERNAL_POOL = 24
# An external pool is a quarter of the external range, so that the first three clusters of a
# topology keep theirs when another is added; it has at least 8 addresses. One part at least is
# left for machines with an address of their own.
_EXTERNAL_SHARE_BITS = 2
SMALLEST_EXTERNAL_POOL = 29
# The first VM's address, counted from the middle of the range: .2, as that of the first node.
_FIRST_VM = 2

# An alias range as declared: its VM's name, its place in the VM's list.
AliasKey = tuple[str, int]


@dataclass(frozen=True)
class SubnetLayout:
    """Who has which addresses of a primary range: clusters' names to pools and to node
    addresses, the control plane's first; VMs' names to addresses; alias ranges within."""

    internal_pools: dict[str, IPv4Network]
    node_addresses: dict[str, tuple[IPv4Address, ...]]
    vm_addresses: dict[str, IPv4Address] = field(default_factory=dict)
    aliases: dict[AliasKey, IPv4Network] = field(default_factory=dict)


def external_pools(external: IPv4Network, clusters: int) -> tuple[IPv4Network, ...] | None:
    """A part of the external range a cluster, equal in size, lowest first; None if the parts
    would be smaller than a /29."""
    prefixlen = external.prefixlen + _external_bits(clusters)
    if prefixlen > SMALLEST_EXTERNAL_POOL:
        return None
    return tuple(islice(external.subnets(new_prefix=prefixlen), clusters))


def smallest_external_range(clusters: int) -> int:
    """The prefix length of the smallest external range that serves so many clusters."""
    return SMALLEST_EXTERNAL_POOL - _external_bits(clusters)


def _external_bits(clusters: int) -> int:
    return max(_EXTERNAL_SHARE_BITS, clusters.bit_length())


def subnet_layout(topology: Topology, subnet: str) -> SubnetLayout | None:
    """Divide the named subnet's primary range among its clusters and VMs; None if they do not
    fit. Declared ranges and addresses must be good and apart.

    One address must be left for a lab container.
    """
    primary = next(s.ip_cidr_range for s in topology.network.subnets if s.name == subnet)
    clusters, vms = topology.clusters_of(subnet), topology.vms_of(subnet)
    said = [*_declared_addresses(vms), *declared_aliases(vms, None).values()]
    pools = _internal_pools(primary, clusters, said)
    if pools is None:
        return None
    taken = [*pools.values(), *said]
    free = ipam.assignable_addresses(primary, taken)
    nodes = {cluster.name: tuple(islice(free, cluster.node_total)) for cluster in clusters}
    if any(len(nodes[cluster.name]) < cluster.node_total for cluster in clusters):
        return None
    taken += [IPv4Network(address) for group in nodes.values() for address in group]
    addresses = {vm.name: vm.network_ip for vm in vms if vm.network_ip is not None}
    unsaid = [vm.name for vm in vms if vm.network_ip is None]
    given = dict(zip(unsaid, _from_the_middle(primary, taken), strict=False))
    if len(given) < len(unsaid):
        return None
    taken += [IPv4Network(address) for address in given.values()]
    aliases = place_aliases(vms, None, primary, taken)
    if aliases is None:
        return None
    left = ipam.assignable_addresses(primary, [*taken, *aliases.values()])
    return SubnetLayout(pools, nodes, addresses | given, aliases) if any(left) else None


def declared_aliases(vms: Sequence[VmSpec], range_name: str | None) -> dict[AliasKey, IPv4Network]:
    """The VMs' alias ranges in a range (None is the primary one) that are given as networks."""
    return {
        key: value for key, value in _aliases(vms, range_name) if isinstance(value, IPv4Network)
    }


def place_aliases(
    vms: Sequence[VmSpec],
    range_name: str | None,
    whole: IPv4Network,
    taken: Sequence[IPv4Network] = (),
) -> dict[AliasKey, IPv4Network] | None:
    """The VMs' alias ranges in a range, those given by their size where they fit; None if one
    does not. In a primary range also they begin in the middle."""
    placed = declared_aliases(vms, range_name)
    used = [*taken, *placed.values()]
    parts: tuple[IPv4Network, ...] = (whole,)
    if range_name is None:
        used += map(IPv4Network, ipam.reserved_addresses(whole))
        parts = tuple(reversed(list(whole.subnets())))
    for key, value in _aliases(vms, range_name):
        if isinstance(value, Size):
            network = ipam.pick_free(value.prefixlen, parts, used)
            if network is None:
                return None
            placed[key] = network
            used.append(network)
    return placed


def _aliases(
    vms: Sequence[VmSpec], range_name: str | None
) -> Iterator[tuple[AliasKey, IPv4Network | Size]]:
    for vm in vms:
        for index, alias in enumerate(vm.alias_ip_ranges):
            if alias.subnetwork_range_name == range_name:
                yield (vm.name, index), alias.ip_cidr_range


def _declared_addresses(vms: Sequence[VmSpec]) -> list[IPv4Network]:
    return [IPv4Network(vm.network_ip) for vm in vms if vm.network_ip is not None]


def _from_the_middle(primary: IPv4Network, taken: Sequence[IPv4Network]) -> Iterator[IPv4Address]:
    """The free addresses from the middle up, then those below, down."""
    first = primary[primary.num_addresses // 2 + _FIRST_VM]
    below = summarize_address_range(primary[0], first - 1)
    above = summarize_address_range(first, primary[-1])
    return chain(
        ipam.assignable_addresses(primary, [*taken, *below]),
        ipam.assignable_addresses(primary, [*taken, *above], descending=True),
    )


def _internal_pools(
    primary: IPv4Network, clusters: Sequence[ClusterSpec], said: Sequence[IPv4Network]
) -> dict[str, IPv4Network] | None:
    prefixlen = max(_LARGEST_INTERNAL_POOL, primary.prefixlen + _INTERNAL_SHARE_BITS)
    size = 1 << (32 - prefixlen)
    declared = {c.name: c.internal_range for c in clusters if c.internal_range is not None}
    kept = [
        *declared.values(),
        *said,
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

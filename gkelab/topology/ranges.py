"""Whether a topology's ranges keep apart and are large enough, as far as the file alone tells."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.topology import layout, vm_ranges
from gkelab.topology.fields import Size
from gkelab.topology.model import ClusterSpec, SubnetSpec, Topology
from gkelab.topology.problem import Problem, count, listing

# Ranges that mean something else to every host, or to Google.
RESERVED_RANGES: tuple[tuple[str, IPv4Network], ...] = (
    *(("Google's health-check range", network) for network in ipam.HEALTH_CHECK_RANGES),
    ('the "this network" range', IPv4Network("0.0.0.0/8")),
    ("the loopback range", IPv4Network("127.0.0.0/8")),
    ("the link-local range", IPv4Network("169.254.0.0/16")),
    ("the multicast range", IPv4Network("224.0.0.0/4")),
    ("the broadcast address", IPv4Network("255.255.255.255/32")),
)
_SMALLEST_INTERNET = 29


def range_problems(topology: Topology) -> list[Problem]:
    """Overlaps and sizes; how much fits only where these are right."""
    found = [
        *_overlaps(topology),
        *_sizes(topology),
        *_internal_ranges(topology),
        *vm_ranges.declared_problems(topology),
    ]
    return found or [*_capacities(topology), *vm_ranges.capacity_problems(topology)]


def subnet_field(index: int) -> str:
    """The path of a subnet's primary range."""
    return f"network.subnets[{index}].ipCidrRange"


def secondary_field(subnet: int, index: int) -> str:
    """The path of a secondary range."""
    return f"network.subnets[{subnet}].secondaryIpRanges[{index}].ipCidrRange"


def declared_networks(topology: Topology) -> list[tuple[str, IPv4Network]]:
    """Every range given as a network with its field's path, in the file's order."""
    found: list[tuple[str, IPv4Network | Size]] = []
    for index, subnet in enumerate(topology.network.subnets):
        found.append((subnet_field(index), subnet.ip_cidr_range))
        for place, secondary in enumerate(subnet.secondary_ip_ranges):
            found.append((secondary_field(index, place), secondary.ip_cidr_range))
    found.append(("loadBalancing.externalRange", topology.load_balancing.external_range))
    found.append(("loadBalancing.frontendRange", topology.load_balancing.frontend_range))
    if topology.on_prem:
        found.append(("onPrem.range", topology.on_prem.range))
    if topology.internet:
        found.append(("internet.range", topology.internet.range))
    return [(field, value) for field, value in found if isinstance(value, IPv4Network)]


def _overlaps(topology: Topology) -> Iterator[Problem]:
    declared = declared_networks(topology)
    for (field, network), (other_field, other) in ipam.overlaps(declared):
        yield Problem(
            other_field, f"{other} overlaps {field} {network}", "change one of the two ranges"
        )
    for field, network in declared:
        for label, reserved in RESERVED_RANGES:
            if network.overlaps(reserved):
                yield Problem(
                    field, f"{network} overlaps {label} {reserved}", "choose another range"
                )


def _sizes(topology: Topology) -> Iterator[Problem]:
    for index, subnet in enumerate(topology.network.subnets):
        primary = subnet.ip_cidr_range
        if primary.prefixlen > ipam.SMALLEST_SUBNET:
            yield Problem(
                subnet_field(index),
                f"{primary} is smaller than /{ipam.SMALLEST_SUBNET}, a VPC's smallest subnet",
                f"use /{ipam.SMALLEST_SUBNET} or larger",
            )
    if topology.internet and topology.internet.range.prefixlen > _SMALLEST_INTERNET:
        yield Problem(
            "internet.range",
            f"{topology.internet.range} is too small for the VPC's router, a client and docker's "
            "bridge",
            f"use /{_SMALLEST_INTERNET} or larger",
        )
    clusters = len(topology.clusters)
    external = topology.load_balancing.external_range
    if layout.external_pools(external, clusters) is None:
        yield Problem(
            "loadBalancing.externalRange",
            f"{external} is too small to give each of {count(clusters, 'cluster')} a pool of "
            f"/{layout.SMALLEST_EXTERNAL_POOL}",
            f"use /{layout.smallest_external_range(clusters)} or larger",
        )


def _internal_ranges(topology: Topology) -> Iterator[Problem]:
    declared = []
    for index, cluster in enumerate(topology.clusters):
        place = topology.subnet_index(cluster.subnetwork)
        if cluster.internal_range is None or place is None:
            continue
        field, pool = f"clusters[{index}].internalRange", cluster.internal_range
        declared.append((field, pool))
        primary = topology.network.subnets[place].ip_cidr_range
        if not pool.subnet_of(primary):
            yield Problem(
                field,
                f"{pool} is not within {subnet_field(place)} {primary}",
                "choose a part of the subnet's primary range",
            )
        elif primary.prefixlen <= ipam.SMALLEST_SUBNET:
            reserved = [a for a in ipam.reserved_addresses(primary) if a in pool]
            if reserved:
                yield Problem(
                    field,
                    f"{pool} contains {reserved[0]}, which Google reserves in "
                    f"{subnet_field(place)} {primary}",
                    "choose a part without the first two and the last two addresses",
                )
    for (field, network), (other_field, other) in ipam.overlaps(declared):
        yield Problem(
            other_field, f"{other} overlaps {field} {network}", "change one of the two ranges"
        )


def _capacities(topology: Topology) -> Iterator[Problem]:
    for index, cluster in enumerate(topology.clusters):
        place = topology.subnet_index(cluster.subnetwork)
        if place is None:
            continue
        for position, secondary in enumerate(topology.network.subnets[place].secondary_ip_ranges):
            field, value = secondary_field(place, position), secondary.ip_cidr_range
            if secondary.range_name == cluster.cluster_secondary_range_name:
                yield from _pod_range(field, value, f"clusters[{index}]", cluster)
            elif secondary.range_name == cluster.services_secondary_range_name:
                yield from _services_range(field, value, f"clusters[{index}]", cluster)
    for index, subnet in enumerate(topology.network.subnets):
        yield from _primary_range(topology, index, subnet)


def _pod_range(
    field: str, value: IPv4Network | Size, path: str, cluster: ClusterSpec
) -> Iterator[Problem]:
    mask, nodes = ipam.node_mask(cluster.max_pods_per_node), cluster.node_total
    capacity = ipam.node_capacity(IPv4Network((0, value.prefixlen)), mask)
    why = f"{path}.maxPodsPerNode {cluster.max_pods_per_node} gives every node a /{mask}"
    if capacity < nodes:
        yield Problem(
            field,
            f"{value} holds {count(capacity, 'node')}, as {why}, and {path} {cluster.name!r} has "
            f"{nodes} with its control plane",
            f"use /{ipam.prefixlen_for_nodes(nodes, mask)} or larger, fewer nodes or fewer pods a "
            "node",
        )
    elif mask - value.prefixlen > ipam.MAX_NODE_MASK_BITS:
        yield Problem(
            field,
            f"{value} holds {capacity} nodes, as {why}, and Kubernetes takes at most "
            f"{1 << ipam.MAX_NODE_MASK_BITS}",
            f"use /{mask - ipam.MAX_NODE_MASK_BITS} or smaller",
        )


def _services_range(
    field: str, value: IPv4Network | Size, path: str, cluster: ClusterSpec
) -> Iterator[Problem]:
    user = f"{path}.servicesSecondaryRangeName {cluster.services_secondary_range_name!r}"
    if value.prefixlen > ipam.SMALLEST_SERVICES:
        limit, remedy = f"smallest is /{ipam.SMALLEST_SERVICES}", "larger"
        prefixlen = ipam.SMALLEST_SERVICES
    elif value.prefixlen < ipam.LARGEST_SERVICES:
        limit, remedy = f"largest is /{ipam.LARGEST_SERVICES}", "smaller"
        prefixlen = ipam.LARGEST_SERVICES
    else:
        return
    yield Problem(
        field,
        f"{value} is for services by {user}, and GKE's {limit}",
        f"use /{prefixlen} or {remedy}",
    )


def _primary_range(topology: Topology, index: int, subnet: SubnetSpec) -> Iterator[Problem]:
    clusters = topology.clusters_of(subnet.name)
    nodes = sum(cluster.node_total for cluster in clusters)
    primary = subnet.ip_cidr_range
    limit = ipam.subnet_node_limit(primary)
    users = listing(cluster.name for cluster in clusters)
    if nodes > limit:
        yield Problem(
            subnet_field(index),
            f"{primary} holds {count(limit, 'node')}, and its clusters {users} have {nodes} with "
            "their control planes",
            "use a larger range or fewer nodes",
        )
    elif layout.subnet_layout(topology, subnet.name) is None:
        number = len(topology.vms_of(subnet.name))
        vms = f", {count(number, 'VM')}" if number else ""
        yield Problem(
            subnet_field(index),
            f"{primary} holds {limit} addresses, too few for {count(nodes, 'node')} of clusters "
            f"{users}, an internal pool each{vms} and a container of the lab",
            "use a larger range",
        )

"""Whether VMs' addresses and alias ranges are in their subnets, keep apart, and fit."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.topology import layout
from gkelab.topology.fields import Size
from gkelab.topology.model import Topology
from gkelab.topology.problem import Problem, count

# A declared part of a subnet: the field, the range, and how a sentence has it.
_Part = tuple[str, IPv4Network, str]


def declared_problems(topology: Topology) -> Iterator[Problem]:
    """Addresses and networks that are not where they should be, or overlap."""
    for place, subnet in enumerate(topology.network.subnets):
        primary = subnet.ip_cidr_range
        whole = f"network.subnets[{place}].ipCidrRange"
        parts = [
            *_internal_ranges(topology, subnet.name),
            *_addresses(topology, subnet.name),
            *_aliases(topology, subnet.name, None),
        ]
        yield from _within(parts, whole, primary, primary)
        yield from _apart(parts)
        for number, secondary in enumerate(subnet.secondary_ip_ranges):
            field = f"network.subnets[{place}].secondaryIpRanges[{number}].ipCidrRange"
            aliases = _aliases(topology, subnet.name, secondary.range_name)
            yield from _within(aliases, field, secondary.ip_cidr_range, None)
            yield from _apart(aliases)


def capacity_problems(topology: Topology) -> Iterator[Problem]:
    """Alias ranges given by their size that find no room in a secondary range, and machines for
    which there is no public address."""
    for place, subnet in enumerate(topology.network.subnets):
        vms = topology.vms_of(subnet.name)
        for number, secondary in enumerate(subnet.secondary_ip_ranges):
            value = secondary.ip_cidr_range
            network = value if isinstance(value, IPv4Network) else IPv4Network((0, value.prefixlen))
            if layout.place_aliases(vms, secondary.range_name, network) is None:
                yield Problem(
                    f"network.subnets[{place}].secondaryIpRanges[{number}].ipCidrRange",
                    f"{value} has no room for all aliasIpRanges of vms in {secondary.range_name!r}",
                    "use a larger range, or smaller alias ranges",
                )
    yield from _public(topology)


def _public(topology: Topology) -> Iterator[Problem]:
    external = topology.load_balancing.external_range
    pools = layout.external_pools(external, len(topology.clusters)) or ()
    left = external.num_addresses - sum(pool.num_addresses for pool in pools)
    nodes = sum(cluster.node_total for cluster in topology.clusters)
    vms = sum(vm.public for vm in topology.vms)
    if nodes + vms > left:
        yield Problem(
            "loadBalancing.externalRange",
            f"{external} leaves {count(left, 'address', 'addresses')} beside the load balancers' "
            f"pools, and {count(nodes, 'node')} and {count(vms, 'public VM')} have one each",
            "use a larger range",
        )


def _internal_ranges(topology: Topology, subnet: str) -> Iterator[_Part]:
    for index, cluster in enumerate(topology.clusters):
        if cluster.subnetwork == subnet and cluster.internal_range is not None:
            pool = cluster.internal_range
            yield f"clusters[{index}].internalRange", pool, str(pool)


def _addresses(topology: Topology, subnet: str) -> Iterator[_Part]:
    for index, vm in enumerate(topology.vms):
        if vm.subnetwork == subnet and vm.network_ip is not None:
            yield f"vms[{index}].networkIP", IPv4Network(vm.network_ip), str(vm.network_ip)


def _aliases(topology: Topology, subnet: str, range_name: str | None) -> list[_Part]:
    found = []
    for index, vm in enumerate(topology.vms):
        for place, alias in enumerate(vm.alias_ip_ranges):
            here = vm.subnetwork == subnet and alias.subnetwork_range_name == range_name
            network = alias.ip_cidr_range
            if here and isinstance(network, IPv4Network):
                field = f"vms[{index}].aliasIpRanges[{place}].ipCidrRange"
                found.append((field, network, str(network)))
    return found


def _within(
    parts: list[_Part], field: str, whole: IPv4Network | Size, primary: IPv4Network | None
) -> Iterator[Problem]:
    """`primary` is the range itself where it is one, in which Google keeps four addresses."""
    good = primary is not None and primary.prefixlen <= ipam.SMALLEST_SUBNET
    kept = list(ipam.reserved_addresses(primary)) if primary is not None and good else []
    for own, network, shown in parts:
        if own.startswith("clusters"):
            continue
        if isinstance(whole, Size):
            yield Problem(
                own,
                f"is {shown}, and {field} is the size {whole}",
                "give this as a size too, or that as a network",
            )
        elif not network.subnet_of(whole):
            yield Problem(
                own, f"{shown} is not within {field} {whole}", "choose a part of that range"
            )
        elif reserved := [address for address in kept if address in network]:
            yield Problem(
                own,
                f"{shown} has {reserved[0]}, which Google reserves in {field} {whole}",
                "choose another part of that range",
            )


def _apart(parts: list[_Part]) -> Iterator[Problem]:
    """Overlaps of which at least one side is a VM's."""
    shown = {field: text for field, _, text in parts}
    for (field, _), (other, _) in ipam.overlaps([(field, network) for field, network, _ in parts]):
        if not other.startswith("clusters"):
            yield Problem(
                other,
                f"{shown[other]} overlaps {field} {shown[field]}",
                "change one of the two",
            )

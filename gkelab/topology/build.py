"""From a checked topology and the ranges chosen for it to its subnets, clusters and VMs."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from gkelab import ipam
from gkelab.topology import layout
from gkelab.topology.fields import Size
from gkelab.topology.model import ClusterSpec, SubnetSpec, Topology
from gkelab.topology.plan import AliasRange, Cluster, Node, Subnet, Vm, docker_network_name
from gkelab.topology.vpc_model import VmSpec


def build(
    topology: Topology, chosen: Mapping[str, IPv4Network]
) -> tuple[tuple[Subnet, ...], tuple[Cluster, ...], tuple[Vm, ...]]:
    """The subnets, clusters and VMs of a topology that passed the checks.

    `chosen` has a network of the right size for each range declared by size, by
    "subnet/rangeName"; else KeyError or ValueError.
    """
    pools = layout.external_pools(topology.load_balancing.external_range, len(topology.clusters))
    if pools is None:
        raise ValueError("the external range is too small")
    layouts = {s.name: _laid_out(topology, s.name) for s in topology.network.subnets}
    subnets = {
        spec.name: _subnet(topology, spec, chosen, layouts[spec.name])
        for spec in topology.network.subnets
    }
    clusters = tuple(
        _cluster(topology, spec, subnets[spec.subnetwork], layouts[spec.subnetwork], pool)
        for spec, pool in zip(topology.clusters, pools, strict=True)
    )
    vms = tuple(
        _vm(topology, vm, subnets[vm.subnetwork], layouts[vm.subnetwork]) for vm in topology.vms
    )
    return tuple(subnets.values()), clusters, vms


def _laid_out(topology: Topology, subnet: str) -> layout.SubnetLayout:
    found = layout.subnet_layout(topology, subnet)
    if found is None:
        raise ValueError(f"subnet {subnet} is too small")
    return found


def _subnet(
    topology: Topology,
    spec: SubnetSpec,
    chosen: Mapping[str, IPv4Network],
    addresses: layout.SubnetLayout,
) -> Subnet:
    secondary_ranges = {}
    for secondary in spec.secondary_ip_ranges:
        network = secondary.ip_cidr_range
        if isinstance(network, Size):
            size, network = network, chosen[f"{spec.name}/{secondary.range_name}"]
            if network.prefixlen != size.prefixlen:
                raise ValueError(f"{network} is not of the declared size {size}")
        secondary_ranges[secondary.range_name] = network
    reserved = ipam.reserved_addresses(spec.ip_cidr_range)
    return Subnet(
        name=spec.name,
        region=spec.region,
        docker_network=docker_network_name(topology.name, spec.name),
        primary=spec.ip_cidr_range,
        gateway=reserved.gateway,
        bridge_address=reserved.second_to_last,
        secondary_ranges=secondary_ranges,
        internal_pools=tuple(addresses.internal_pools.values()),
        node_addresses=tuple(a for group in addresses.node_addresses.values() for a in group),
        vm_ranges=(
            *map(IPv4Network, addresses.vm_addresses.values()),
            *addresses.aliases.values(),
        ),
    )


def _vm(topology: Topology, spec: VmSpec, subnet: Subnet, addresses: layout.SubnetLayout) -> Vm:
    placed = dict(addresses.aliases)
    for name, network in subnet.secondary_ranges.items():
        found = layout.place_aliases(topology.vms_of(subnet.name), name, network)
        if found is None:
            raise ValueError(f"secondary range {name} is too small")
        placed |= found
    aliases = (
        AliasRange(alias.subnetwork_range_name or "", placed[spec.name, index])
        for index, alias in enumerate(spec.alias_ip_ranges)
    )
    return Vm(
        name=spec.name,
        region=spec.region,
        zone=spec.zone,
        subnet=subnet,
        machine_type=spec.machine_type,
        address=addresses.vm_addresses[spec.name],
        alias_ranges=tuple(aliases),
        tags=spec.tags,
        can_ip_forward=spec.can_ip_forward,
        public=spec.public,
    )


def _cluster(
    topology: Topology,
    spec: ClusterSpec,
    subnet: Subnet,
    addresses: layout.SubnetLayout,
    external_pool: IPv4Network,
) -> Cluster:
    pods, services = spec.cluster_secondary_range_name, spec.services_secondary_range_name
    return Cluster(
        name=spec.name,
        location=spec.location,
        region=spec.region,
        subnet=subnet,
        pod_range_name=pods,
        pod_range=subnet.secondary_ranges[pods],
        services_range_name=services,
        services_range=subnet.secondary_ranges[services],
        max_pods=spec.max_pods_per_node,
        node_mask=ipam.node_mask(spec.max_pods_per_node),
        external_pool=external_pool,
        internal_pool=addresses.internal_pools[spec.name],
        nodes=tuple(_nodes(topology.project, spec, addresses.node_addresses[spec.name])),
    )


def _nodes(project: str, spec: ClusterSpec, addresses: tuple[IPv4Address, ...]) -> Iterator[Node]:
    first = spec.node_pools[0]
    places: list[tuple[str, str | None, str]] = [
        (spec.pool_zones(first)[0], None, first.machine_type)
    ]
    # Zone by zone in rounds: a larger nodeCount adds nodes behind, and moves none.
    places += [
        (zone, pool.name, pool.machine_type)
        for pool in spec.node_pools
        for _ in range(pool.node_count)
        for zone in spec.pool_zones(pool)
    ]
    for index, (place, address) in enumerate(zip(places, addresses, strict=True)):
        yield make_node(project, spec, node_name(spec.name, index), place, address)


def make_node(
    project: str,
    spec: ClusterSpec,
    name: str,
    place: tuple[str, str | None, str],
    address: IPv4Address,
    *,
    added: bool = False,
) -> Node:
    """A node of a cluster. `place` is its zone, its pool (None: the control plane), its machine
    type."""
    zone, pool_name, machine_type = place
    labels = {
        "topology.kubernetes.io/region": spec.region,
        "topology.kubernetes.io/zone": zone,
    }
    if pool_name:
        labels |= {
            "node.kubernetes.io/instance-type": machine_type,
            "cloud.google.com/gke-nodepool": pool_name,
            "cloud.google.com/gke-max-pods-per-node": str(spec.max_pods_per_node),
            "cloud.google.com/machine-family": machine_type.partition("-")[0],
        }
    return Node(
        name=name,
        role="worker" if pool_name else "control-plane",
        region=spec.region,
        zone=zone,
        pool=pool_name,
        machine_type=machine_type,
        address=address,
        provider_id=f"gce://{project}/{zone}/{name}",
        labels=labels,
        added=added,
    )


def node_name(cluster: str, index: int) -> str:
    """As kind names nodes: 0 is the control plane, and the first worker has no number."""
    if index == 0:
        return f"{cluster}-control-plane"
    return f"{cluster}-worker" if index == 1 else f"{cluster}-worker{index}"

"""What is wrong with a topology beside something else in it: names and what they refer to."""

from collections.abc import Iterator

from gkelab.topology import vpc_checks
from gkelab.topology.model import ClusterSpec, SubnetSpec, Topology
from gkelab.topology.problem import Problem, listing, twice
from gkelab.topology.ranges import range_problems


def problems(topology: Topology) -> list[Problem]:
    """Everything wrong with the topology as declared, in the order of a person's reading.

    Ranges are looked at only when every name refers to something.
    """
    found = [
        *_names(topology),
        *vpc_checks.names(topology),
        *_references(topology),
        *vpc_checks.references(topology),
    ]
    return found or range_problems(topology)


def _names(topology: Topology) -> Iterator[Problem]:
    subnets = topology.network.subnets
    yield from twice("network.subnets[{}].name", [s.name for s in subnets])
    for index, subnet in enumerate(subnets):
        yield from twice(
            f"network.subnets[{index}].secondaryIpRanges[{{}}].rangeName",
            [secondary.range_name for secondary in subnet.secondary_ip_ranges],
        )
    yield from twice("clusters[{}].name", [cluster.name for cluster in topology.clusters])
    for index, cluster in enumerate(topology.clusters):
        yield from twice(
            f"clusters[{index}].nodePools[{{}}].name", [pool.name for pool in cluster.node_pools]
        )


def _references(topology: Topology) -> Iterator[Problem]:
    roles: dict[tuple[str, str], str] = {}
    for index, cluster in enumerate(topology.clusters):
        path = f"clusters[{index}]"
        place = topology.subnet_index(cluster.subnetwork)
        if place is None:
            yield Problem(
                f"{path}.subnetwork",
                f"is {cluster.subnetwork!r}, and network.subnets has "
                f"{listing(subnet.name for subnet in topology.network.subnets)}",
                "name one of these, or declare the subnet",
            )
            continue
        subnet = topology.network.subnets[place]
        if cluster.region != subnet.region:
            yield Problem(
                f"{path}.location",
                f"is {cluster.location}, and network.subnets[{place}].region is {subnet.region}",
                "put the cluster into its subnet's region",
            )
        yield from _range_roles(path, place, cluster, subnet, roles)
        yield from _zones(path, cluster)


def _range_roles(
    path: str,
    place: int,
    cluster: ClusterSpec,
    subnet: SubnetSpec,
    roles: dict[tuple[str, str], str],
) -> Iterator[Problem]:
    known = [secondary.range_name for secondary in subnet.secondary_ip_ranges]
    for key, name in (
        ("clusterSecondaryRangeName", cluster.cluster_secondary_range_name),
        ("servicesSecondaryRangeName", cluster.services_secondary_range_name),
    ):
        field = f"{path}.{key}"
        if name not in known:
            yield Problem(
                field,
                f"is {name!r}, and network.subnets[{place}].secondaryIpRanges has {listing(known)}",
                "name one of these, or declare the range",
            )
        elif (other := roles.setdefault((subnet.name, name), field)) != field:
            yield Problem(
                field,
                f"is {name!r}, as is {other}",
                "give every cluster a range for its pods and another for its services",
            )


def _zones(path: str, cluster: ClusterSpec) -> Iterator[Problem]:
    for place, pool in enumerate(cluster.node_pools):
        field = f"{path}.nodePools[{place}].locations"
        if not cluster.pool_zones(pool):
            yield Problem(
                field,
                f"is empty, and {path}.location {cluster.location} is a region",
                f"name the zones of the pool, as [{cluster.region}-b]",
            )
        for number, zone in enumerate(pool.locations):
            if zone.rpartition("-")[0] != cluster.region:
                yield Problem(
                    f"{field}[{number}]",
                    f"is {zone}, and {path}.location {cluster.location} is in {cluster.region}",
                    f"name zones of {cluster.region}",
                )
        yield from twice(field + "[{}]", pool.locations, "remove one of them")

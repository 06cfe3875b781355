"""What is wrong with VMs, firewall rules and latencies beside other things of the topology.

Of firewall rules: what Compute's API refuses (docs firewall/docs/firewalls).
"""

from collections.abc import Iterator

from gkelab.topology.model import INTERNET, MANAGEMENT, Topology
from gkelab.topology.problem import Problem, listing, twice
from gkelab.topology.vpc_model import WITH_PORTS, FirewallProtocolSpec, FirewallSpec, VmSpec

# The lab's own containers, each after the lab's name and a hyphen.
OWN_CONTAINERS = ("cloud", "router", "machines", "controllers", "client")


def names(topology: Topology) -> Iterator[Problem]:
    """Names that something else has."""
    for index, subnet in enumerate(topology.network.subnets):
        if subnet.name in (INTERNET, MANAGEMENT):
            yield Problem(
                f"network.subnets[{index}].name",
                f"is {subnet.name!r}, as is a network of the lab's own",
                "rename the subnet",
            )
    yield from twice("vms[{}].name", [vm.name for vm in topology.vms])
    for index, vm in enumerate(topology.vms):
        yield from _as_another_machine(topology, f"vms[{index}].name", vm.name)
        yield from twice(f"vms[{index}].tags[{{}}]", vm.tags, "remove one of them")
    yield from twice("firewalls[{}].name", [rule.name for rule in topology.firewalls])
    for index, rule in enumerate(topology.firewalls):
        for place, cluster in enumerate(topology.clusters):
            if rule.name.startswith(f"gke-{cluster.name}-"):
                yield Problem(
                    f"firewalls[{index}].name",
                    f"is {rule.name!r}, and rules gke-{cluster.name}-... are those that GKE makes "
                    f"for clusters[{place}]",
                    "rename the rule",
                )
        yield from _firewall(f"firewalls[{index}]", rule)


def references(topology: Topology) -> Iterator[Problem]:
    """Subnets, ranges and regions that are not there, or are another's."""
    for index, vm in enumerate(topology.vms):
        yield from _vm(topology, f"vms[{index}]", vm)
    regions = list(dict.fromkeys(subnet.region for subnet in topology.network.subnets))
    pairs: dict[frozenset[str], str] = {}
    for index, latency in enumerate(topology.latency):
        field = f"latency[{index}].between"
        between = frozenset(latency.between)
        if len(latency.between) != 2 or len(between) != 2:
            yield Problem(
                field,
                f"is {listing(latency.between)}, not two regions",
                "write it as [us-central1, europe-west1]",
            )
            continue
        for place, region in enumerate(latency.between):
            if region not in regions:
                yield Problem(
                    f"{field}[{place}]",
                    f"is {region!r}, and network.subnets are in {listing(regions)}",
                    "name two of these, or declare a subnet there",
                )
        if (other := pairs.setdefault(between, field)) != field:
            yield Problem(field, f"is the same two regions as {other}", "remove one of them")


def _as_another_machine(topology: Topology, field: str, name: str) -> Iterator[Problem]:
    for place, cluster in enumerate(topology.clusters):
        nodes = [f"{cluster.name}-control-plane", f"{cluster.name}-worker"]
        nodes += [f"{cluster.name}-worker{number}" for number in range(2, cluster.node_total)]
        if name in nodes:
            yield Problem(field, f"is {name!r}, as is a node of clusters[{place}]", "rename the VM")
    if name in [f"{topology.name}-{own}" for own in OWN_CONTAINERS]:
        yield Problem(field, f"is {name!r}, as is a container of the lab's own", "rename the VM")


def _vm(topology: Topology, path: str, vm: VmSpec) -> Iterator[Problem]:
    place = topology.subnet_index(vm.subnetwork)
    if place is None:
        yield Problem(
            f"{path}.subnetwork",
            f"is {vm.subnetwork!r}, and network.subnets has "
            f"{listing(subnet.name for subnet in topology.network.subnets)}",
            "name one of these, or declare the subnet",
        )
        return
    subnet = topology.network.subnets[place]
    if vm.region != subnet.region:
        yield Problem(
            f"{path}.zone",
            f"is {vm.zone}, and network.subnets[{place}].region is {subnet.region}",
            "put the VM into its subnet's region",
        )
    known = [secondary.range_name for secondary in subnet.secondary_ip_ranges]
    for index, alias in enumerate(vm.alias_ip_ranges):
        name, field = alias.subnetwork_range_name, f"{path}.aliasIpRanges[{index}]"
        if name is not None and name not in known:
            yield Problem(
                f"{field}.subnetworkRangeName",
                f"is {name!r}, and network.subnets[{place}].secondaryIpRanges has {listing(known)}",
                "name one of these, or declare the range",
            )
        for user in _cluster_ranges(topology, vm.subnetwork, name):
            # The cluster gives its addresses out by itself, and does not ask the VPC.
            yield Problem(
                f"{field}.subnetworkRangeName",
                f"is {name!r}, as is {user}",
                "declare a secondary range for VMs",
            )


def _cluster_ranges(topology: Topology, subnet: str, name: str | None) -> Iterator[str]:
    for index, cluster in enumerate(topology.clusters):
        if cluster.subnetwork == subnet and name == cluster.cluster_secondary_range_name:
            yield f"clusters[{index}].clusterSecondaryRangeName"
        elif cluster.subnetwork == subnet and name == cluster.services_secondary_range_name:
            yield f"clusters[{index}].servicesSecondaryRangeName"


def _firewall(path: str, rule: FirewallSpec) -> Iterator[Problem]:
    if rule.allowed and rule.denied:
        yield Problem(f"{path}.denied", f"is given beside {path}.allowed", "give one of the two")
    if not rule.allowed and not rule.denied:
        yield Problem(
            f"{path}.allowed", f"is missing, and so is {path}.denied", "give one of the two"
        )
    if rule.direction == "EGRESS" and rule.source_tags:
        yield Problem(
            f"{path}.sourceTags",
            f"is given, and {path}.direction is EGRESS",
            "use targetTags, which are those of the sender",
        )
    if rule.log_config and rule.log_config.metadata and not rule.log_config.enable:
        yield Problem(
            f"{path}.logConfig.metadata",
            f"is given, and {path}.logConfig.enable is false",
            "enable the log, or leave its metadata out",
        )
    for side, protocols in (("allowed", rule.allowed), ("denied", rule.denied)):
        for index, protocol in enumerate(protocols):
            yield from _ports(f"{path}.{side}[{index}]", protocol)


def _ports(path: str, protocol: FirewallProtocolSpec) -> Iterator[Problem]:
    if protocol.ports and protocol.ip_protocol not in WITH_PORTS:
        yield Problem(
            f"{path}.ports",
            f"is given, and {path}.IPProtocol is {protocol.ip_protocol}, which has none",
            "leave the ports out, or use tcp, udp or sctp",
        )

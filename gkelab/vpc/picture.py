"""The running topology as boxes in boxes and links between them: what every drawing is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gkelab.topology import Cluster, ResolvedTopology
from gkelab.vpc.view import InstanceView, NetworkView, RangeView, SubnetView, VpcView


@dataclass(frozen=True)
class Box:
    """A box: `sort` is what it stands for, the first of `lines` its name. Its children are side
    by side (`across`), or one below the other."""

    key: str
    sort: str
    lines: tuple[str, ...]
    children: tuple[Box, ...] = ()
    across: bool = False

    def all(self) -> Iterator[Box]:
        """The box and all that are in it, from outside in."""
        yield self
        for child in self.children:
            yield from child.all()


@dataclass(frozen=True)
class Picture:
    """Columns of boxes from left to right, and links between boxes by their keys."""

    title: str
    columns: tuple[tuple[Box, ...], ...]
    links: tuple[tuple[str, str], ...]


def picture(seen: VpcView, plan: ResolvedTopology) -> Picture:
    """The outside, the VPC's router, and the networks with all that is in them. What runs is from
    the cloud's view; the plan has what the cloud knows nothing of."""
    outside = tuple(_outside(plan))
    networks = tuple(_network(network, plan) for network in seen.networks)
    links = [(box.key, "router") for box in outside]
    links += [
        ("router", subnet.key)
        for network in networks
        for subnet in network.children
        if network.key == f"network {plan.network}"
    ]
    columns = (outside, (_router(plan),), networks)
    return Picture(
        f"lab {plan.name}, project {seen.project}",
        tuple(column for column in columns if column),
        tuple(links),
    )


def _outside(plan: ResolvedTopology) -> Iterator[Box]:
    if plan.internet:
        client = Box("client", "machine", ("client", str(plan.internet.client)))
        lines = ("internet", str(plan.internet.range))
        yield Box("internet", "outside", lines, (client,))


def _router(plan: ResolvedTopology) -> Box:
    lines = ["VPC router"]
    lines += [f"{subnet.gateway} in {subnet.name}" for subnet in plan.subnets]
    if plan.internet:
        lines.append(f"{plan.internet.router} in the internet")
    return Box("router", "router", tuple(lines))


def _network(network: NetworkView, plan: ResolvedTopology) -> Box:
    lines = [f"network {network.name}"]
    if network.name == plan.network:
        lines.append(f"external addresses {plan.external_range}")
        lines.append(f"front-end addresses {plan.frontend_range}")
        for spec in plan.topology.latency:
            lines.append(f"{' to '.join(spec.between)} and back {spec.round_trip}")
    subnets = tuple(_subnet(subnet, network, plan) for subnet in network.subnets)
    return Box(f"network {network.name}", "network", tuple(lines), subnets)


def _subnet(subnet: SubnetView, network: NetworkView, plan: ResolvedTopology) -> Box:
    mine = [one for one in network.instances if one.subnet == subnet.name]
    mine = [one for one in mine if one.zone.rpartition("-")[0] == subnet.region]
    children = []
    for name in dict.fromkeys(one.cluster for one in mine if one.cluster):
        known = next((cluster for cluster in plan.clusters if cluster.name == name), None)
        nodes = [one for one in mine if one.cluster == name]
        children.append(_cluster(name, nodes, known, network))
    vms = tuple(_machine(one, network) for one in mine if not one.cluster)
    if vms:
        key = f"vms {network.name}/{subnet.region}/{subnet.name}"
        children.append(Box(key, "group", ("VMs",), vms, across=True))
    lines = (f"subnet {subnet.name} in {subnet.region}", *map(_use, subnet.ranges))
    key = f"subnet {network.name}/{subnet.region}/{subnet.name}"
    return Box(key, "subnet", lines, tuple(children))


def _use(item: RangeView) -> str:
    """A range; of one that instances have nothing of (a cluster's services), no use is known."""
    used = f", {item.used} of {item.size} used" if item.used else ""
    return f"{item.name} {item.network}{used}"


def _cluster(
    name: str, nodes: list[InstanceView], known: Cluster | None, network: NetworkView
) -> Box:
    lines = [f"cluster {name}"]
    if known:
        lines += [
            f"pods {known.pod_range}, services {known.services_range}",
            f"load balancers: external {known.external_pool}, internal {known.internal_pool}",
        ]
    children = []
    for pool in sorted({one.pool for one in nodes}):
        machines = tuple(_machine(one, network) for one in nodes if one.pool == pool)
        title = f"pool {pool}" if pool else "control plane"
        key = f"pool {network.name}/{name}/{pool}"
        children.append(Box(key, "group", (title,), machines, across=True))
    return Box(
        f"cluster {network.name}/{name}", "cluster", tuple(lines), tuple(children), across=True
    )


def _machine(one: InstanceView, network: NetworkView) -> Box:
    lines = [one.name, one.zone, one.address]
    lines += [f"{alias.range} {alias.network}" for alias in one.alias_ranges]
    if one.public:
        lines.append(f"public {one.public}")
    if one.tags and not one.cluster:
        lines.append(f"tags {', '.join(one.tags)}")
    if one.status != "RUNNING":
        lines.append(one.status)
    key = f"machine {network.name}/{one.zone}/{one.name}/{one.interface}"
    return Box(key, "machine", tuple(lines))

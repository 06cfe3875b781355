"""A plan as its lab is by now: workers that were added to a running cluster, and those that were
taken away. Pure; where it is written down, docker's labels and volumes, is for `find`.

A node that is away counts as not there, whatever there is of it: one that was deleted, or one in
the making, until it is whole.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from typing import Self

from gkelab import ipam
from gkelab.errors import LabError
from gkelab.topology.build import make_node, node_name
from gkelab.topology.lab import ResolvedTopology
from gkelab.topology.model import ClusterSpec, NodePoolSpec
from gkelab.topology.plan import Cluster, Node

_AWAY = re.compile(r"gkelab\.(?P<lab>[^.]+)\.away\.(?P<node>.+)")


@dataclass(frozen=True)
class Added:
    """A worker beside those that the topology declares, as its container's label tells of it."""

    name: str
    cluster: str
    pool: str
    zone: str
    address: IPv4Address

    def label(self) -> str:
        """What `parse` needs beside the name."""
        told = {"cluster": self.cluster, "pool": self.pool, "zone": self.zone}
        return json.dumps({**told, "address": str(self.address)}, separators=(",", ":"))

    @classmethod
    def parse(cls, name: str, label: str) -> Self:
        """The worker of that name that `label` told of. LabError for other text."""
        try:
            told = json.loads(label)
            address = IPv4Address(told["address"])
            return cls(name, str(told["cluster"]), str(told["pool"]), str(told["zone"]), address)
        except (KeyError, TypeError, ValueError) as bad:
            raise LabError(
                f"The label of node {name} cannot be read ({bad!r})",
                "It is damaged or of another version of the lab: run `invoke down`",
            ) from None


def label_of(cluster: str, node: Node) -> str:
    """An added node's label."""
    return Added(node.name, cluster, node.pool or "", node.zone, node.address).label()


def away_name(lab: str, node: str) -> str:
    """The name of what says of a node that it is away."""
    return f"gkelab.{lab}.away.{node}"


def away_node(name: str) -> tuple[str, str] | None:
    """The lab and the node that a name of `away_name` tells of; None for another name."""
    found = _AWAY.fullmatch(name)
    return (found["lab"], found["node"]) if found else None


def with_nodes(
    plan: ResolvedTopology, added: Iterable[Added], away: Collection[str]
) -> ResolvedTopology:
    """The plan with these workers, and without those that are away. A worker that was added under
    the name of a declared one stands in its place. LabError for a pool that is not declared."""
    news = [one for one in added if one.name not in away]
    names = {one.name for one in news}
    clusters = []
    for spec, cluster in zip(plan.topology.clusters, plan.clusters, strict=True):
        kept = [n for n in cluster.workers if n.name not in away and n.name not in names]
        kept += [_node(plan, spec, one) for one in news if one.cluster == cluster.name]
        workers = sorted(kept, key=lambda node: number(cluster.name, node.name))
        clusters.append(replace(cluster, nodes=(cluster.control_plane, *workers)))
    subnets = {
        subnet.name: replace(
            subnet,
            node_addresses=tuple(
                node.address
                for cluster in clusters
                for node in cluster.nodes
                if cluster.subnet.name == subnet.name
            ),
        )
        for subnet in plan.subnets
    }
    placed = (replace(cluster, subnet=subnets[cluster.subnet.name]) for cluster in clusters)
    vms = (replace(vm, subnet=subnets[vm.subnet.name]) for vm in plan.vms)
    return replace(plan, subnets=tuple(subnets.values()), clusters=tuple(placed), vms=tuple(vms))


def next_node(
    plan: ResolvedTopology,
    cluster: Cluster,
    pool: str | None,
    zone: str | None,
    *,
    taken: Iterable[IPv4Network],
    names: Collection[str],
) -> Added:
    """The next worker of a cluster: as kind would number it, at the lowest free address of its
    subnet; by default of the first pool, in whichever of its zones has the fewest.

    `taken` is what the subnet's primary range has in use beside the plan, `names` those of
    machines. LabError for another pool or zone, and when pods' or nodes' addresses are used up.
    """
    spec = next(one for one in plan.topology.clusters if one.name == cluster.name)
    chosen = _pool(spec, pool)
    place = _zone(cluster, chosen, spec.pool_zones(chosen), zone)
    _refuse_full(cluster)
    free = ipam.assignable_addresses(
        cluster.subnet.primary,
        [
            *cluster.subnet.internal_pools,
            *cluster.subnet.vm_ranges,
            *map(IPv4Network, cluster.subnet.node_addresses),
            *taken,
        ],
    )
    address = next(free, None)
    if address is None:
        raise LabError(
            f"Subnet {cluster.subnet.name} {cluster.subnet.primary} has no free address for"
            " another node",
            "Delete a node or a VM, or expand the range",
        )
    used = {*names, *(node.name for node in plan.nodes)}
    name = next(n for i in count(1) if (n := node_name(cluster.name, i)) not in used)
    return Added(name, cluster.name, chosen.name, place, address)


def deletable(plan: ResolvedTopology, name: str) -> tuple[Cluster, Node]:
    """The worker of that name, with its cluster. LabError when there is none, or it must stay."""
    for cluster in plan.clusters:
        if name == cluster.control_plane.name:
            raise LabError(
                f"{name} is the control plane of cluster {cluster.name}, which GKE keeps",
                f"name a worker: {', '.join(node.name for node in cluster.workers)}",
            )
        for node in cluster.workers:
            if node.name == name and len(cluster.workers) == 1:
                raise LabError(
                    f"{name} is the last worker of cluster {cluster.name}",
                    "add another one first: invoke node.add",
                )
            if node.name == name:
                return cluster, node
    workers = ", ".join(node.name for cluster in plan.clusters for node in cluster.workers)
    raise LabError(f"Lab {plan.name} has no node {name}", f"its workers are {workers}")


def number(cluster: str, name: str) -> int:
    """Which of the cluster's workers a name means, by kind's way of naming them."""
    return int(name.removeprefix(f"{cluster}-worker") or 1)


def _node(plan: ResolvedTopology, spec: ClusterSpec, one: Added) -> Node:
    place = (one.zone, one.pool, _pool(spec, one.pool).machine_type)
    return make_node(plan.project, spec, one.name, place, one.address, added=True)


def _pool(spec: ClusterSpec, name: str | None) -> NodePoolSpec:
    for pool in spec.node_pools:
        if name in (None, pool.name):
            return pool
    names = ", ".join(pool.name for pool in spec.node_pools)
    raise LabError(f"Cluster {spec.name} has no node pool {name}", f"name one of {names}")


def _zone(cluster: Cluster, pool: NodePoolSpec, zones: Sequence[str], zone: str | None) -> str:
    if zone is None:
        there = [node.zone for node in cluster.workers if node.pool == pool.name]
        return min(zones, key=there.count)
    if zone not in zones:
        raise LabError(
            f"Node pool {pool.name} of cluster {cluster.name} is not in zone {zone}",
            f"name one of {', '.join(zones)}",
        )
    return zone


def _refuse_full(cluster: Cluster) -> None:
    carries = ipam.node_capacity(cluster.pod_range, cluster.node_mask)
    if len(cluster.nodes) >= carries:
        raise LabError(
            f"The pod range {cluster.pod_range} of cluster {cluster.name} carries {carries} nodes"
            f" (a /{cluster.node_mask} each), and there are {len(cluster.nodes)}",
            "Delete a node, or declare a larger range for pods or fewer pods a node",
        )

"""Nodes' podCIDRs as alias ranges of their instances: what the VPC routes pods by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab.cloud.controllers.cluster import Body, Cluster

# As GKE labels the instances of nodes.
_NODE, _CLUSTER = "goog-gke-node", "goog-k8s-cluster-name"


@dataclass(frozen=True)
class Update:
    """An instance's alias ranges of the cluster's pod range are to be this one, or none. `scope`
    is zones/ZONE."""

    scope: str
    instance: str
    pod_cidr: IPv4Network | None


@dataclass(frozen=True)
class Updates:
    """What to do, in order, and what cannot be done."""

    steps: tuple[Update, ...]
    problems: tuple[str, ...]


def alias_updates(nodes: Iterable[Body], instances: Iterable[Body], cluster: Cluster) -> Updates:
    """What makes the alias ranges of a cluster's instances its nodes' podCIDRs.

    An instance without a node has none; the instance itself stays, as deleting it is the business
    of whoever deletes the node. A range that another instance still has is taken from that one
    first, so that nodes which were made anew may have each other's.
    """
    found = {i["name"]: i for i in instances if _is_node_of(i, cluster)}
    wanted = {instance_name(node): pod_cidr(node) for node in nodes}
    problems = [f"node {name} has no instance" for name in sorted(wanted) if name not in found]
    first, then = [], []
    given = {cidr: name for name, cidr in wanted.items() if cidr and name in found}
    for name, instance in sorted(found.items()):
        nic, want = instance["networkInterfaces"][0], wanted.get(name)
        held = [IPv4Network(a["ipCidrRange"]) for a in nic.get("aliasIpRanges", ())]
        scope = f"zones/{instance['zone'].rpartition('/')[2]}"
        stale = [cidr for cidr in _of_pods(nic, cluster) if cidr != want]
        if stale and want and any(_overlaps(cidr, given, name) for cidr in stale):
            first.append(Update(scope, name, None))
            then.append(Update(scope, name, want))
        elif stale and not want:
            first.append(Update(scope, name, None))
        elif stale or (want and want not in held):
            then.append(Update(scope, name, want))
    return Updates((*first, *then), tuple(problems))


def aliases(
    nic: Mapping[str, object], pod_cidr: IPv4Network | None, cluster: Cluster
) -> list[Body]:
    """An interface's alias ranges with this one of the cluster's pod range, or none; those of
    other ranges stay."""
    current: list[Body] = list(nic.get("aliasIpRanges") or [])  # type: ignore[call-overload]
    kept = [a for a in current if a.get("subnetworkRangeName") != cluster.pod_range_name]
    if pod_cidr is None:
        return kept
    own = {"ipCidrRange": str(pod_cidr), "subnetworkRangeName": cluster.pod_range_name}
    return [*kept, own]


def pod_cidr(node: Body) -> IPv4Network | None:
    """A node's range of IPv4; None before kube-controller-manager has given it one."""
    spec = node.get("spec") or {}
    for text in spec.get("podCIDRs") or [spec.get("podCIDR", "")]:
        if text and ":" not in text:
            return IPv4Network(text)
    return None


def instance_name(node: Body) -> str:
    """The instance of a node, by its provider ID (gce://PROJECT/ZONE/NAME), or its own name."""
    provider = str((node.get("spec") or {}).get("providerID", ""))
    name = provider.rpartition("/")[2] if provider.startswith("gce://") else ""
    return name or str(node["metadata"]["name"])


def _is_node_of(instance: Body, cluster: Cluster) -> bool:
    labels = instance.get("labels", {})
    return _NODE in labels and labels.get(_CLUSTER) == cluster.name


def _of_pods(nic: Body, cluster: Cluster) -> Iterator[IPv4Network]:
    for alias in nic.get("aliasIpRanges", ()):
        if alias.get("subnetworkRangeName") == cluster.pod_range_name:
            yield IPv4Network(alias["ipCidrRange"])


def _overlaps(cidr: IPv4Network, given: Mapping[IPv4Network, str], name: str) -> bool:
    return any(owner != name and cidr.overlaps(other) for other, owner in given.items())

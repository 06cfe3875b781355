"""A topology as Compute resources: what `up` writes through the API, as a person would.

Sources: GKE's page "Automatically created firewall rules" (concepts/firewall-rules) for the rules
of a cluster, and rules and labels of real clusters for how they are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from gkelab import ipam
from gkelab.topology import Cluster, FirewallSpec, Node, ResolvedTopology, Subnet, Vm

Body = dict[str, Any]

# GKE's protocols and ports, rule by rule.
_EVERY_PROTOCOL = ("ah", "esp", "icmp", "sctp", "tcp", "udp")
_ALL_PORTS = "1-65535"
# As gcloud and GKE name what gives an interface its public address.
_ACCESS = {"name": "external-nat", "type": "ONE_TO_ONE_NAT"}
_KUBELET, _READ_ONLY_KUBELET, _HTTPS = "10250", "10255", "443"


@dataclass(frozen=True)
class Wanted:
    """A resource that should be: its collection, its scope, and what to say of it."""

    collection: str
    scope: str
    body: Body = field(hash=False)

    @property
    def name(self) -> str:
        """The resource's name."""
        return str(self.body["name"])


def resources(
    plan: ResolvedTopology, pod_cidrs: Mapping[str, IPv4Network] | None = None
) -> tuple[Wanted, ...]:
    """Everything that a topology says, in the order in which it can be made.

    `pod_cidrs` are the nodes' podCIDRs by the nodes' names, as far as Kubernetes has given them
    out: they become the alias ranges of the nodes' instances.
    """
    known = pod_cidrs or {}
    network = {"name": plan.network, "autoCreateSubnetworks": False}
    found = [Wanted("networks", "global", network)]
    found += [_subnet(plan.network, subnet) for subnet in plan.subnets]
    found += [_firewall(plan.network, rule) for rule in plan.firewalls]
    for cluster in plan.clusters:
        found += cluster_firewalls(plan, cluster)
        found += [node_instance(plan, cluster, n, known.get(n.name)) for n in cluster.nodes]
    found += [vm_instance(vm) for vm in plan.vms]
    return tuple(found)


def public_ranges(plan: ResolvedTopology) -> tuple[IPv4Network, ...]:
    """The public addresses that the cloud may give to VMs: what the clusters' load balancers
    leave of the external range."""
    pools = [cluster.external_pool for cluster in plan.clusters]
    return ipam.free_ranges(plan.external_range, pools)


def cluster_hash(plan: ResolvedTopology, cluster: Cluster) -> str:
    """Eight hex digits of a cluster, as in the names of GKE's rules and tags."""
    place = f"{plan.project}/{cluster.location}/{cluster.name}"
    return hashlib.sha256(place.encode()).hexdigest()[:8]


def node_tag(plan: ResolvedTopology, cluster: Cluster) -> str:
    """The network tag of a cluster's nodes, by which GKE's rules know them."""
    return f"{_prefix(plan, cluster)}-node"


def _prefix(plan: ResolvedTopology, cluster: Cluster) -> str:
    return f"gke-{cluster.name}-{cluster_hash(plan, cluster)}"


def _subnet(network: str, subnet: Subnet) -> Wanted:
    body = {
        "name": subnet.name,
        "network": f"global/networks/{network}",
        "ipCidrRange": str(subnet.primary),
        "secondaryIpRanges": [
            {"rangeName": name, "ipCidrRange": str(secondary)}
            for name, secondary in subnet.secondary_ranges.items()
        ],
    }
    return Wanted("subnetworks", f"regions/{subnet.region}", body)


def _firewall(network: str, rule: FirewallSpec) -> Wanted:
    """A declared rule, as it was declared."""
    return Wanted("firewalls", "global", {**rule.body(), "network": f"global/networks/{network}"})


def vm_instance(vm: Vm) -> Wanted:
    """A VM as an instance. It says also what it has not: it is made so again."""
    aliases = [
        {
            "ipCidrRange": str(alias.network),
            **({"subnetworkRangeName": alias.range_name} if alias.range_name else {}),
        }
        for alias in vm.alias_ranges
    ]
    nic = {
        "subnetwork": f"regions/{vm.region}/subnetworks/{vm.subnet.name}",
        "networkIP": str(vm.address),
        "aliasIpRanges": aliases,
        "accessConfigs": [_ACCESS] if vm.public else [],
    }
    body = {
        "name": vm.name,
        "machineType": f"zones/{vm.zone}/machineTypes/{vm.machine_type}",
        "canIpForward": vm.can_ip_forward,
        # Compute keeps them sorted.
        "tags": {"items": sorted(set(vm.tags))},
        "networkInterfaces": [nic],
    }
    return Wanted("instances", f"zones/{vm.zone}", body)


def cluster_firewalls(plan: ResolvedTopology, cluster: Cluster) -> Iterator[Wanted]:
    """The rules that GKE makes for a cluster."""
    tag, pods = node_tag(plan, cluster), str(cluster.pod_range)
    control_plane = f"{cluster.control_plane.address}/32"
    rules: dict[str, Body] = {
        # Pods reach pods and nodes.
        "all": {"sourceRanges": [pods], "allowed": [{"IPProtocol": p} for p in _EVERY_PROTOCOL]},
        # Nodes reach nodes and pods; so do other VMs of the subnet.
        "vms": {
            "sourceRanges": [str(cluster.subnet.primary)],
            "allowed": [
                {"IPProtocol": "icmp"},
                {"IPProtocol": "tcp", "ports": [_ALL_PORTS]},
                {"IPProtocol": "udp", "ports": [_ALL_PORTS]},
            ],
        },
        # The control plane reaches the kubelets and the metrics server.
        "master": {"sourceRanges": [control_plane], "allowed": _tcp(_HTTPS, _KUBELET)},
        # The kubelet's read-only port is for nodes and pods alone.
        "inkubelet": {
            "priority": 999,
            "sourceRanges": [pods],
            "sourceTags": [tag],
            "allowed": _tcp(_READ_ONLY_KUBELET),
        },
        "exkubelet": {"sourceRanges": ["0.0.0.0/0"], "denied": _tcp(_READ_ONLY_KUBELET)},
    }
    for name, rule in rules.items():
        body = {
            "name": f"{_prefix(plan, cluster)}-{name}",
            "network": f"global/networks/{plan.network}",
            "direction": "INGRESS",
            "priority": 1000,
            "targetTags": [tag],
            **rule,
        }
        yield Wanted("firewalls", "global", body)


def _tcp(*ports: str) -> list[Body]:
    return [{"IPProtocol": "tcp", "ports": list(ports)}]


def node_instance(
    plan: ResolvedTopology, cluster: Cluster, node: Node, pod_cidr: IPv4Network | None
) -> Wanted:
    """A node as an instance, with a public address as GKE's nodes have where they are not made
    private.

    The control plane's has the nodes' tag too: GKE's is outside of the VPC and needs no rule,
    the lab's is in it, and nodes and pods must reach it.
    """
    nic: Body = {
        "subnetwork": f"regions/{cluster.region}/subnetworks/{cluster.subnet.name}",
        "networkIP": str(node.address),
        "accessConfigs": [_ACCESS],
    }
    if pod_cidr is not None:
        alias = {"ipCidrRange": str(pod_cidr), "subnetworkRangeName": cluster.pod_range_name}
        nic["aliasIpRanges"] = [alias]
    labels = {
        "goog-gke-node": "",
        "goog-k8s-cluster-name": cluster.name,
        "goog-k8s-cluster-location": cluster.location,
    }
    if node.pool:
        labels["goog-k8s-node-pool-name"] = node.pool
    metadata = {"cluster-name": cluster.name, "cluster-location": cluster.location}
    body = {
        "name": node.name,
        "machineType": f"zones/{node.zone}/machineTypes/{node.machine_type}",
        "canIpForward": False,
        "tags": {"items": [node_tag(plan, cluster)]},
        "labels": labels,
        "metadata": {"items": [{"key": k, "value": v} for k, v in metadata.items()]},
        "networkInterfaces": [nic],
    }
    return Wanted("instances", f"zones/{node.zone}", body)

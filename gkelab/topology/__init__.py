"""A lab in GKE's vocabulary: read from clusters/*.yaml (`load`), made concrete (`resolve`)."""

from gkelab.topology.choose import Claim, resolve
from gkelab.topology.lab import ResolvedTopology
from gkelab.topology.model import (
    ClusterSpec,
    LoadBalancingSpec,
    NetworkSpec,
    NodePoolSpec,
    OnPremSpec,
    SecondaryRangeSpec,
    Size,
    SubnetSpec,
    Topology,
)
from gkelab.topology.plan import (
    Cluster,
    Node,
    Role,
    Subnet,
    docker_network_name,
)
from gkelab.topology.read import load, parse

__all__ = [
    "Claim",
    "Cluster",
    "ClusterSpec",
    "LoadBalancingSpec",
    "NetworkSpec",
    "Node",
    "NodePoolSpec",
    "OnPremSpec",
    "ResolvedTopology",
    "Role",
    "SecondaryRangeSpec",
    "Size",
    "Subnet",
    "SubnetSpec",
    "Topology",
    "docker_network_name",
    "load",
    "parse",
    "resolve",
]

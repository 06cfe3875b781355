"""A lab in GKE's vocabulary: read from clusters/*.yaml (`load`), made concrete (`resolve`)."""

from gkelab.topology.added import (
    Added,
    away_name,
    away_node,
    deletable,
    label_of,
    next_node,
    with_nodes,
)
from gkelab.topology.choose import Claim, resolve
from gkelab.topology.fields import Size
from gkelab.topology.lab import ResolvedTopology
from gkelab.topology.model import (
    ClusterSpec,
    LoadBalancingSpec,
    NetworkSpec,
    NodePoolSpec,
    OnPremSpec,
    SecondaryRangeSpec,
    SubnetSpec,
    Topology,
)
from gkelab.topology.plan import (
    AliasRange,
    Cluster,
    Internet,
    Latency,
    Node,
    Role,
    Subnet,
    Vm,
    docker_network_name,
)
from gkelab.topology.read import load, parse
from gkelab.topology.vpc_model import FirewallSpec, InternetSpec, LatencySpec, VmSpec

__all__ = [
    "Added",
    "AliasRange",
    "Claim",
    "Cluster",
    "ClusterSpec",
    "FirewallSpec",
    "Internet",
    "InternetSpec",
    "Latency",
    "LatencySpec",
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
    "Vm",
    "VmSpec",
    "away_name",
    "away_node",
    "deletable",
    "docker_network_name",
    "label_of",
    "load",
    "next_node",
    "parse",
    "resolve",
    "with_nodes",
]

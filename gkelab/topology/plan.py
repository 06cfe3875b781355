"""The parts of a resolved topology: concrete subnets, clusters and nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from typing import Literal

from gkelab import ipam
from gkelab.errors import LabError

Role = Literal["control-plane", "worker"]


@dataclass(frozen=True)
class Node:
    """A kind node that stands for a VM. `pool` is None for the control plane, which GKE keeps
    out of the customer's pools. `labels` are GKE's own, in the form of `kubectl label`."""

    name: str
    role: Role
    region: str
    zone: str
    pool: str | None
    machine_type: str
    address: IPv4Address
    provider_id: str
    labels: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True)
class Subnet:
    """A subnet of the VPC, which is one docker network.

    `gateway` is the VPC router's address; `bridge_address` is the second-to-last, which Google
    reserves and the lab gives to docker's bridge. `secondary_ranges` are by range name.
    """

    name: str
    region: str
    docker_network: str
    primary: IPv4Network
    gateway: IPv4Address
    bridge_address: IPv4Address
    secondary_ranges: Mapping[str, IPv4Network] = field(hash=False)
    internal_pools: tuple[IPv4Network, ...]
    node_addresses: tuple[IPv4Address, ...]

    def lab_address(self, index: int) -> IPv4Address:
        """The address of the lab's container `index` (0 on) that is no node.

        Counted from the top of the primary range, beside nodes and internal pools; the same as
        long as the primary range and declared internal ranges are. LabError when there are no
        more.
        """
        free = ipam.assignable_addresses(self.primary, self.internal_pools, descending=True)
        nodes = set(self.node_addresses)
        address = next(islice((a for a in free if a not in nodes), index, None), None)
        if address is None:
            raise LabError(
                f"Subnet {self.name} {self.primary} has no free address for another container",
                "Give it a larger ipCidrRange",
            )
        return address


@dataclass(frozen=True)
class Cluster:
    """A cluster; the control plane is its first node. `node_mask` is the prefix length of each
    node's podCIDR; the pools are for load balancers, external ones and internal ones."""

    name: str
    location: str
    region: str
    subnet: Subnet
    pod_range_name: str
    pod_range: IPv4Network
    services_range_name: str
    services_range: IPv4Network
    max_pods: int
    node_mask: int
    external_pool: IPv4Network
    internal_pool: IPv4Network
    nodes: tuple[Node, ...]

    @property
    def control_plane(self) -> Node:
        """The node that stands for GKE's managed control plane."""
        return self.nodes[0]

    @property
    def workers(self) -> tuple[Node, ...]:
        """The nodes of the cluster's pools."""
        return self.nodes[1:]


def docker_network_name(lab: str, subnet: str) -> str:
    """The docker network of a subnet. Names have no dot, so that two labs' never meet."""
    return f"gkelab.{lab}.{subnet}"

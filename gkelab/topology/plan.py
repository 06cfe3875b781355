"""The parts of a resolved topology: concrete subnets, clusters and nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from typing import Literal

from gkelab import ipam
from gkelab.errors import LabError

Role = Literal["control-plane", "worker"]


@dataclass(frozen=True)
class Node:
    """A kind node that stands for a VM. `pool` is None for the control plane, which GKE keeps
    out of the customer's pools. `labels` are GKE's own, in the form of `kubectl label`. `added`:
    it came to the running cluster, beside what the topology declares."""

    name: str
    role: Role
    region: str
    zone: str
    pool: str | None
    machine_type: str
    address: IPv4Address
    provider_id: str
    labels: Mapping[str, str] = field(hash=False)
    added: bool = False


@dataclass(frozen=True)
class Subnet:
    """A subnet of the VPC, which is one docker network.

    `gateway` is the VPC router's address; `bridge_address` is the second-to-last, which Google
    reserves and the lab gives to docker's bridge. `secondary_ranges` are by range name;
    `vm_ranges` are what VMs have of the primary range, addresses and alias ranges.
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
    vm_ranges: tuple[IPv4Network, ...] = ()

    def lab_address(self, index: int) -> IPv4Address:
        """The address of the lab's container `index` (0 on) that is no machine of the VPC.

        Counted from the top of the primary range, beside nodes, VMs and internal pools; the same
        as long as the primary range and what is declared of it are. LabError when there are no
        more.
        """
        kept = (*self.internal_pools, *self.vm_ranges)
        free = ipam.assignable_addresses(self.primary, kept, descending=True)
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


@dataclass(frozen=True)
class AliasRange:
    """An alias range of a VM, in a secondary range of its subnet; "" is the primary one."""

    range_name: str
    network: IPv4Network


@dataclass(frozen=True)
class Vm:
    """A VM of the VPC that is no node. `public`: it has an address outside, which the cloud
    chooses."""

    name: str
    region: str
    zone: str
    subnet: Subnet
    machine_type: str
    address: IPv4Address
    alias_ranges: tuple[AliasRange, ...]
    tags: tuple[str, ...]
    can_ip_forward: bool
    public: bool


@dataclass(frozen=True)
class Latency:
    """What packets between two regions take, each way."""

    between: tuple[str, str]
    one_way: timedelta


@dataclass(frozen=True)
class Internet:
    """The network outside of the VPC, one docker network: the VPC router is at `router`, the
    first client at `client`, docker's bridge at `bridge_address`."""

    docker_network: str
    range: IPv4Network
    router: IPv4Address
    client: IPv4Address
    bridge_address: IPv4Address


def docker_network_name(lab: str, subnet: str) -> str:
    """The docker network of a subnet. Names have no dot, so that two labs' never meet."""
    return f"gkelab.{lab}.{subnet}"

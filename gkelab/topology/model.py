"""What a file of `clusters/` may say: strict types in the words of GKE's and Compute's APIs.

Keys in YAML are camelCase as in these APIs, attributes snake_case. The types refuse what is
wrong in itself; what is wrong beside something else is for `checks`.
"""

import hashlib
import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr

from gkelab import ipam
from gkelab.topology.fields import (
    ClusterName,
    LabName,
    Location,
    MachineType,
    MaxPods,
    Network,
    NetworkOrSize,
    ProjectId,
    Region,
    ResourceName,
    Spec,
    Zone,
    as_tuple,
)
from gkelab.topology.vpc_model import FirewallSpec, InternetSpec, LatencySpec, VmSpec

# Names of the lab's own docker networks, which no subnet can have.
INTERNET, MANAGEMENT = "internet", "management"


class SecondaryRangeSpec(Spec):
    """A named alias IP range of a subnet."""

    range_name: ResourceName
    ip_cidr_range: NetworkOrSize


class SubnetSpec(Spec):
    """A subnet: nodes take addresses from its primary range."""

    name: ResourceName
    region: Region
    ip_cidr_range: Network
    secondary_ip_ranges: Annotated[tuple[SecondaryRangeSpec, ...], BeforeValidator(as_tuple)] = ()


class NetworkSpec(Spec):
    """The VPC network."""

    name: ResourceName = "default"
    subnets: Annotated[tuple[SubnetSpec, ...], BeforeValidator(as_tuple), Field(min_length=1)]


class NodePoolSpec(Spec):
    """A node pool: `node_count` nodes in each of its zones, as with gcloud."""

    name: ClusterName
    # Empty: the cluster's own zone. A regional cluster must name its pools' zones.
    locations: Annotated[tuple[Zone, ...], BeforeValidator(as_tuple)] = ()
    node_count: Annotated[int, Field(ge=1, le=1000)] = 1
    machine_type: MachineType = "e2-standard-4"


class ClusterSpec(Spec):
    """A VPC-native cluster."""

    name: ClusterName
    location: Location
    subnetwork: ResourceName
    cluster_secondary_range_name: ResourceName
    services_secondary_range_name: ResourceName
    max_pods_per_node: MaxPods = ipam.DEFAULT_PODS_PER_NODE
    node_pools: Annotated[tuple[NodePoolSpec, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    # Addresses for internal load balancers, in the subnet's primary range; None: the lab chooses.
    internal_range: Network | None = None

    @property
    def region(self) -> str:
        """The region of the location, which may be a zone."""
        return "-".join(self.location.split("-")[:2])

    def pool_zones(self, pool: NodePoolSpec) -> tuple[str, ...]:
        """The zones of one of the cluster's pools; none if a regional cluster left them out."""
        if pool.locations:
            return pool.locations
        return (self.location,) if self.location != self.region else ()

    @property
    def node_total(self) -> int:
        """The nodes of the cluster, the one that stands for GKE's control plane included."""
        return 1 + sum(pool.node_count * len(self.pool_zones(pool)) for pool in self.node_pools)


class LoadBalancingSpec(Spec):
    """Where load balancers' public addresses come from."""

    external_range: Network
    frontend_range: Network


class OnPremSpec(Spec):
    """The network at the other end of the interconnect."""

    range: Network


class Topology(Spec):
    """A lab, as declared. Made by `load` and `parse`, which also run the checks across fields."""

    name: LabName
    project: ProjectId = "gkelab"
    network: NetworkSpec
    clusters: Annotated[tuple[ClusterSpec, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    load_balancing: LoadBalancingSpec
    on_prem: OnPremSpec | None = None
    internet: InternetSpec | None = None
    vms: Annotated[tuple[VmSpec, ...], BeforeValidator(as_tuple)] = ()
    firewalls: Annotated[tuple[FirewallSpec, ...], BeforeValidator(as_tuple)] = ()
    latency: Annotated[tuple[LatencySpec, ...], BeforeValidator(as_tuple)] = ()

    _source: str = PrivateAttr(default="topology")

    @property
    def source(self) -> str:
        """The file it was read from, as errors name it."""
        return self._source

    def subnet_index(self, name: str) -> int | None:
        """The place of the named subnet in `network.subnets`; None if there is no such subnet."""
        names = [subnet.name for subnet in self.network.subnets]
        return names.index(name) if name in names else None

    def clusters_of(self, subnet: str) -> tuple[ClusterSpec, ...]:
        """The clusters whose nodes are in the named subnet, as declared."""
        return tuple(cluster for cluster in self.clusters if cluster.subnetwork == subnet)

    def vms_of(self, subnet: str) -> tuple[VmSpec, ...]:
        """The VMs in the named subnet, as declared."""
        return tuple(vm for vm in self.vms if vm.subnetwork == subnet)

    def to_dict(self) -> dict[str, Any]:
        """The file's content without what is default anyway; `parse` takes it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def fingerprint(self) -> str:
        """12 hex digits that change when what is declared changes, comments and order of keys
        apart. Fields that a later version adds do not change it as long as they are default."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

"""What a file of `clusters/` may say: strict types in the words of GKE's and Compute's APIs.

Keys in YAML are camelCase as in these APIs, attributes snake_case. The types refuse what is
wrong in itself; what is wrong beside something else is for `checks`.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gkelab import ipam

# Sizes that a secondary range can have when it is given as a size alone.
_SIZES = range(8, 30)


@dataclass(frozen=True)
class Size:
    """A range given by its size alone, as gcloud takes it: `/20`. `resolve` finds a network."""

    prefixlen: int

    def __str__(self) -> str:
        return f"/{self.prefixlen}"


def refusal(what: str, remedy: str) -> PydanticCustomError:
    """An error for a validator to raise: `what` follows the field's path in the sentence."""
    return PydanticCustomError("refused", "{what}", {"what": what, "remedy": remedy})


def _network(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    if not isinstance(value, str) or "/" not in value:
        raise refusal(f"is {value!r}, not a network", "write it as 10.0.0.0/20")
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise refusal(f"is {value!r}, not a network", "write it as 10.0.0.0/20") from None
    if isinstance(network, IPv6Network):
        raise refusal(f"is {value}, an IPv6 network", "use an IPv4 network")
    address, _, prefixlen = value.partition("/")
    if address != str(network[0]):
        raise refusal(f"is {value}, which has host bits set", f"write {network}")
    if prefixlen != str(network.prefixlen):
        raise refusal(f"is {value!r}, not a network with a prefix length", f"write {network}")
    return network


def _network_or_size(value: object) -> IPv4Network | Size:
    if isinstance(value, Size):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"/\d{1,4}", value):
        return _network(value)
    size = int(value[1:])
    if size not in _SIZES:
        raise refusal(
            f"is {value}, outside /{_SIZES[0]} to /{_SIZES[-1]}",
            f"choose a size from /{_SIZES[0]} to /{_SIZES[-1]}",
        )
    return Size(size)


def _name(longest: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", value) or len(value) > longest:
            raise refusal(
                f"is {value!r}, not a name of at most {longest} lower-case letters, digits and "
                "hyphens that starts with a letter",
                "choose such a name",
            )
        return value

    return check


def _matching(pattern: str, kind: str, example: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise refusal(f"is {value!r}, not {kind}", f"write it as {example}")
        return value

    return check


def _max_pods(value: int) -> int:
    if not ipam.MIN_PODS_PER_NODE <= value <= ipam.MAX_PODS_PER_NODE:
        raise refusal(
            f"is {value}, outside GKE's {ipam.MIN_PODS_PER_NODE} to {ipam.MAX_PODS_PER_NODE}",
            "choose a number of pods within these",
        )
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


_REGION = r"[a-z]+-[a-z]+[0-9]+"

Network = Annotated[IPv4Network, PlainValidator(_network), PlainSerializer(str)]
NetworkOrSize = Annotated[
    IPv4Network | Size, PlainValidator(_network_or_size), PlainSerializer(str)
]
# A lab's name goes into the names of containers, a cluster's into those of its nodes.
LabName = Annotated[str, AfterValidator(_name(20))]
ClusterName = Annotated[str, AfterValidator(_name(40))]
ResourceName = Annotated[str, AfterValidator(_name(63))]
ProjectId = Annotated[
    str,
    AfterValidator(_matching(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", "a project id", "my-project-1")),
]
Region = Annotated[str, AfterValidator(_matching(_REGION, "a region", "us-central1"))]
Zone = Annotated[str, AfterValidator(_matching(_REGION + "-[a-z]", "a zone", "us-central1-a"))]
Location = Annotated[
    str,
    AfterValidator(
        _matching(_REGION + "(-[a-z])?", "a region or a zone", "us-central1 or us-central1-a")
    ),
]
MachineType = Annotated[
    str, AfterValidator(_matching(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type", "e2-medium"))
]
MaxPods = Annotated[int, AfterValidator(_max_pods)]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)


class SecondaryRangeSpec(_Spec):
    """A named alias IP range of a subnet."""

    range_name: ResourceName
    ip_cidr_range: NetworkOrSize


class SubnetSpec(_Spec):
    """A subnet: nodes take addresses from its primary range."""

    name: ResourceName
    region: Region
    ip_cidr_range: Network
    secondary_ip_ranges: Annotated[tuple[SecondaryRangeSpec, ...], BeforeValidator(_tuple)] = ()


class NetworkSpec(_Spec):
    """The VPC network."""

    name: ResourceName = "default"
    subnets: Annotated[tuple[SubnetSpec, ...], BeforeValidator(_tuple), Field(min_length=1)]


class NodePoolSpec(_Spec):
    """A node pool: `node_count` nodes in each of its zones, as with gcloud."""

    name: ClusterName
    # Empty: the cluster's own zone. A regional cluster must name its pools' zones.
    locations: Annotated[tuple[Zone, ...], BeforeValidator(_tuple)] = ()
    node_count: Annotated[int, Field(ge=1, le=1000)] = 1
    machine_type: MachineType = "e2-standard-4"


class ClusterSpec(_Spec):
    """A VPC-native cluster."""

    name: ClusterName
    location: Location
    subnetwork: ResourceName
    cluster_secondary_range_name: ResourceName
    services_secondary_range_name: ResourceName
    max_pods_per_node: MaxPods = ipam.DEFAULT_PODS_PER_NODE
    node_pools: Annotated[tuple[NodePoolSpec, ...], BeforeValidator(_tuple), Field(min_length=1)]
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


class LoadBalancingSpec(_Spec):
    """Where load balancers' public addresses come from."""

    external_range: Network
    frontend_range: Network


class OnPremSpec(_Spec):
    """The network at the other end of the interconnect."""

    range: Network


class Topology(_Spec):
    """A lab, as declared. Made by `load` and `parse`, which also run the checks across fields."""

    name: LabName
    project: ProjectId = "gkelab"
    network: NetworkSpec
    clusters: Annotated[tuple[ClusterSpec, ...], BeforeValidator(_tuple), Field(min_length=1)]
    load_balancing: LoadBalancingSpec
    on_prem: OnPremSpec | None = None

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

    def to_dict(self) -> dict[str, Any]:
        """The file's content without what is default anyway; `parse` takes it back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def fingerprint(self) -> str:
        """12 hex digits that change when what is declared changes, comments and order of keys
        apart. Fields that a later version adds do not change it as long as they are default."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

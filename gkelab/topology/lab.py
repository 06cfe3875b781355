"""A resolved topology: every range a network, every node a name, a zone and an address."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from typing import Any, Self, TypeVar

from gkelab import ipam
from gkelab.errors import LabError
from gkelab.topology.build import build
from gkelab.topology.model import INTERNET, MANAGEMENT, Topology
from gkelab.topology.plan import (
    Cluster,
    Internet,
    Latency,
    Node,
    Subnet,
    Vm,
    docker_network_name,
)
from gkelab.topology.read import parse
from gkelab.topology.vpc_model import FirewallSpec

_Named = TypeVar("_Named", Subnet, Cluster, Vm)


@dataclass(frozen=True)
class ResolvedTopology:
    """The whole plan. `chosen` has the networks found for ranges declared by size, by
    "subnet/rangeName": what must be recorded to get the same plan again."""

    topology: Topology
    chosen: Mapping[str, IPv4Network] = field(hash=False)
    subnets: tuple[Subnet, ...]
    clusters: tuple[Cluster, ...]
    vms: tuple[Vm, ...]

    @classmethod
    def of(cls, topology: Topology, chosen: Mapping[str, IPv4Network]) -> Self:
        """The plan with these ranges chosen. Errors as `build`."""
        return cls(topology, dict(chosen), *build(topology, chosen))

    @property
    def name(self) -> str:
        """The lab's name."""
        return self.topology.name

    @property
    def project(self) -> str:
        """The project id."""
        return self.topology.project

    @property
    def network(self) -> str:
        """The VPC network's name."""
        return self.topology.network.name

    @property
    def source(self) -> str:
        """The file that the topology was read from."""
        return self.topology.source

    @property
    def external_range(self) -> IPv4Network:
        """All addresses of external passthrough load balancers."""
        return self.topology.load_balancing.external_range

    @property
    def frontend_range(self) -> IPv4Network:
        """All addresses of the Google front end."""
        return self.topology.load_balancing.frontend_range

    @property
    def on_prem_range(self) -> IPv4Network | None:
        """The on-prem network, if one is declared."""
        return self.topology.on_prem.range if self.topology.on_prem else None

    @property
    def internet(self) -> Internet | None:
        """The network that stands for the internet, if one is declared."""
        if self.topology.internet is None:
            return None
        network = self.topology.internet.range
        return Internet(
            docker_network=docker_network_name(self.name, INTERNET),
            range=network,
            router=network[1],
            client=network[2],
            bridge_address=network[-2],
        )

    @property
    def management_network(self) -> str:
        """The docker network on which the lab's own containers reach the cloud."""
        return docker_network_name(self.name, MANAGEMENT)

    @property
    def firewalls(self) -> tuple[FirewallSpec, ...]:
        """The network's firewall rules as declared, without those of clusters."""
        return self.topology.firewalls

    @property
    def latency(self) -> tuple[Latency, ...]:
        """What is declared of the way between regions, half of a round trip each way."""
        return tuple(
            Latency(
                (spec.between[0], spec.between[1]),
                timedelta(microseconds=spec.round_trip.microseconds) / 2,
            )
            for spec in self.topology.latency
        )

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of all clusters."""
        return tuple(node for cluster in self.clusters for node in cluster.nodes)

    @property
    def declared(self) -> Self:
        """The plan as the topology has it, without what was added to the lab or taken away."""
        return self.of(self.topology, self.chosen)

    def subnet(self, name: str) -> Subnet:
        """The named subnet; LabError if there is none."""
        return _named(self.subnets, "subnet", name)

    def cluster(self, name: str) -> Cluster:
        """The named cluster; LabError if there is none."""
        return _named(self.clusters, "cluster", name)

    def vm(self, name: str) -> Vm:
        """The named VM; LabError if there is none."""
        return _named(self.vms, "VM", name)

    def held_inside(self) -> tuple[IPv4Network, ...]:
        """What nodes and clients let nobody route out: the made-up ranges, and link-local, where
        pods look for Google's metadata server. (A host in a cloud needs its own link-local.)"""
        return (*self.made_up_ranges(), ipam.LINK_LOCAL)

    def made_up_ranges(self) -> tuple[IPv4Network, ...]:
        """The ranges that must never leave the machine, sorted: secondary ranges, external and
        front-end range, on-prem, the internet's, Google's health checks. Primary ranges are
        docker's networks."""
        ranges = {
            *(network for s in self.subnets for network in s.secondary_ranges.values()),
            *ipam.HEALTH_CHECK_RANGES,
            self.external_range,
            self.frontend_range,
        }
        if self.on_prem_range:
            ranges.add(self.on_prem_range)
        if self.internet:
            ranges.add(self.internet.range)
        return tuple(sorted(ranges))

    def routed_ranges(self) -> tuple[IPv4Network, ...]:
        """The ranges that the VPC router leads to, sorted: of subnets the primary and secondary
        ones, external and front-end range, on-prem, the internet's."""
        hosts = set(ipam.HEALTH_CHECK_RANGES)
        ranges = {network for network in self.made_up_ranges() if network not in hosts}
        return tuple(sorted(ranges | {subnet.primary for subnet in self.subnets}))

    def fingerprint(self) -> str:
        """The declared topology's fingerprint: 12 hex digits."""
        return self.topology.fingerprint()

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` needs, as JSON takes it: what was declared and what was chosen."""
        return {
            "source": self.source,
            "topology": self.topology.to_dict(),
            "chosen": {key: str(network) for key, network in self.chosen.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The plan that `to_dict` told of. LabError if it is not one, or not of this version."""
        try:
            topology = parse(data["topology"], str(data["source"]))
            chosen = {str(k): IPv4Network(v) for k, v in data["chosen"].items()}
            return cls.of(topology, chosen)
        except (LabError, KeyError, TypeError, AttributeError, ValueError) as error:
            reason = error.message if isinstance(error, LabError) else repr(error)
            raise LabError(
                f"The recorded topology cannot be read ({reason})",
                "It is damaged or of another version of the lab: run `invoke down`",
            ) from error


def _named(items: tuple[_Named, ...], kind: str, name: str) -> _Named:
    for item in items:
        if item.name == name:
            return item
    raise LabError(
        f"There is no {kind} {name!r}",
        f"The lab has {', '.join(item.name for item in items) or 'none'}",
    )

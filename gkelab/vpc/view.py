"""From Compute's resources to what a person asks of a VPC: pure, data in and data out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from gkelab import ipam
from gkelab.vpc.read import Body, Resources
from gkelab.vpc.rules import RuleView, rules_of

PRIMARY = "primary"


@dataclass(frozen=True)
class RangeView:
    """A range of a subnet and its use. `size`, `used` and `free` count addresses that machines
    can have: Google keeps four of a primary range. `alias_ranges` are the blocks given out."""

    name: str
    network: str
    size: int
    used: int
    free: int
    alias_ranges: int


@dataclass(frozen=True)
class SubnetView:
    """A subnet with its ranges, the primary one first."""

    name: str
    region: str
    gateway: str
    ranges: tuple[RangeView, ...]


@dataclass(frozen=True)
class AliasView:
    """An alias range and the range that it is of."""

    range: str
    network: str


@dataclass(frozen=True)
class InstanceView:
    """An instance's interface in a network: its only one, as a rule. `cluster` and `pool` are
    those of a node, "" for a VM."""

    name: str
    zone: str
    interface: str
    subnet: str
    address: str
    alias_ranges: tuple[AliasView, ...]
    public: str
    tags: tuple[str, ...]
    can_ip_forward: bool
    status: str
    cluster: str
    pool: str


@dataclass(frozen=True)
class RouteView:
    """A route. `tags` are those of the instances that it is for; none means all."""

    name: str
    destination: str
    next_hop: str
    priority: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class NetworkView:
    """A VPC network and all that is in it; firewall rules in the order in which they decide."""

    name: str
    mode: str
    mtu: int
    routing: str
    subnets: tuple[SubnetView, ...]
    instances: tuple[InstanceView, ...]
    routes: tuple[RouteView, ...]
    rules: tuple[RuleView, ...]


@dataclass(frozen=True)
class VpcView:
    """All networks of a project."""

    project: str
    networks: tuple[NetworkView, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return asdict(self)


def view(project: str, found: Resources) -> VpcView:
    """Everything that there is, network by network."""
    networks = sorted(found.networks, key=lambda body: str(body["name"]))
    return VpcView(project, tuple(_network(body, found) for body in networks))


def last(link: str) -> str:
    """The name at the end of a link."""
    return link.rpartition("/")[2]


def _network(body: Body, found: Resources) -> NetworkView:
    link = body["selfLink"]
    subnets = [subnet for subnet in found.subnetworks if subnet["network"] == link]
    nics = [(vm, nic) for vm in found.instances for nic in _nics(vm) if nic["network"] == link]
    instances = sorted(
        (_instance(vm, nic) for vm, nic in nics), key=lambda one: IPv4Address(one.address)
    )
    routes = sorted(
        (_route(route) for route in found.routes if route["network"] == link),
        key=lambda one: (IPv4Network(one.destination), one.priority, one.name),
    )
    return NetworkView(
        name=body["name"],
        mode="auto" if body.get("autoCreateSubnetworks") else "custom",
        mtu=body.get("mtu", 0),
        routing=body.get("routingConfig", {}).get("routingMode", ""),
        subnets=tuple(
            sorted(
                (_subnet(subnet, [nic for _, nic in nics], found.addresses) for subnet in subnets),
                key=lambda one: IPv4Network(one.ranges[0].network),
            )
        ),
        instances=tuple(instances),
        routes=tuple(routes),
        rules=rules_of([rule for rule in found.firewalls if rule["network"] == link]),
    )


def _nics(instance: Body) -> list[Body]:
    return list(instance.get("networkInterfaces", []))


def _subnet(body: Body, nics: Sequence[Body], addresses: Sequence[Body]) -> SubnetView:
    mine = [nic for nic in nics if nic["subnetwork"] == body["selfLink"]]
    reserved = [
        IPv4Network(address["address"])
        for address in addresses
        if address.get("subnetwork") == body["selfLink"]
    ]
    singles = [IPv4Network(nic["networkIP"]) for nic in mine]
    named = [("", body["ipCidrRange"])]
    named += [(s["rangeName"], s["ipCidrRange"]) for s in body.get("secondaryIpRanges", [])]
    ranges = []
    for name, text in named:
        blocks = [
            IPv4Network(alias["ipCidrRange"])
            for nic in mine
            for alias in nic.get("aliasIpRanges", [])
            if alias.get("subnetworkRangeName", "") == name
        ]
        others = [] if name else [*singles, *reserved]
        ranges.append(_range(name, IPv4Network(text), blocks, others))
    return SubnetView(
        body["name"], last(body["region"]), body.get("gatewayAddress", ""), tuple(ranges)
    )


def _range(
    name: str, whole: IPv4Network, blocks: Sequence[IPv4Network], others: Sequence[IPv4Network]
) -> RangeView:
    taken = ipam.used_ranges(whole, [*blocks, *others])
    used = sum(network.num_addresses for network in taken)
    size = whole.num_addresses - (0 if name else ipam.RESERVED_IN_SUBNET)
    return RangeView(name or PRIMARY, str(whole), size, used, size - used, len(blocks))


def _instance(body: Body, nic: Body) -> InstanceView:
    labels = body.get("labels", {})
    configs = nic.get("accessConfigs", [])
    aliases = (
        AliasView(alias.get("subnetworkRangeName", "") or PRIMARY, alias["ipCidrRange"])
        for alias in nic.get("aliasIpRanges", [])
    )
    return InstanceView(
        name=body["name"],
        zone=last(body["zone"]),
        interface=nic["name"],
        subnet=last(nic["subnetwork"]),
        address=nic["networkIP"],
        alias_ranges=tuple(aliases),
        public=next((config.get("natIP", "") for config in configs), ""),
        tags=tuple(body.get("tags", {}).get("items", [])),
        can_ip_forward=body.get("canIpForward", False),
        status=body.get("status", ""),
        cluster=labels.get("goog-k8s-cluster-name", ""),
        pool=labels.get("goog-k8s-node-pool-name", ""),
    )


def _route(body: Body) -> RouteView:
    return RouteView(
        name=body["name"],
        destination=body["destRange"],
        next_hop=next(_hops(body), ""),
        priority=body.get("priority", 0),
        tags=tuple(body.get("tags", [])),
    )


def _hops(body: Body) -> Iterator[str]:
    if "nextHopInstance" in body:
        zone, _, name = body["nextHopInstance"].partition("/zones/")[2].partition("/instances/")
        yield f"instance {name} in {zone}"
    if "nextHopGateway" in body:
        yield last(body["nextHopGateway"])
    if "nextHopIp" in body:
        yield body["nextHopIp"]
    if "nextHopNetwork" in body:
        yield f"network {last(body['nextHopNetwork'])}"

"""Which machines should be, from the cloud's state: one for each instance that is no node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from gkelab.cloud.mirror import Body, State
from gkelab.ipam import mac_address
from gkelab.tools.docker import SUBNETWORK, Network

# Nodes of clusters are kind's business.
NODE_LABEL = "goog-gke-node"
# On a VM's container: which instance it is, by its link from zones/ on and by its number (one of
# the same name that was made anew is another), and what it was started with.
INSTANCE, NUMBER, SPEC = "gkelab.vm", "gkelab.vm.id", "gkelab.vm.spec"
# On the docker network of a subnet that came after `up`, beside its link: the number of the
# subnetwork (one of the same name that was made anew is another), and the router's address in it.
SUBNET_NUMBER, GATEWAY = "gkelab.subnetwork.id", "gkelab.gateway"
RUNNING = ("PROVISIONING", "STAGING", "RUNNING")


@dataclass(frozen=True)
class SubnetNetwork:
    """The docker network that is a subnet: its name, its range, its bridge on the host, and the
    VPC router's address in it."""

    name: str
    range: IPv4Network
    bridge: str
    gateway: IPv4Address


@dataclass(frozen=True)
class Machine:
    """An instance as a container. `started` is when the cloud had it start last (RFC 3339);
    `aliases` are the ranges whose every address is the machine's."""

    instance: str
    number: str
    hostname: str
    container: str
    network: SubnetNetwork
    address: IPv4Address
    aliases: tuple[IPv4Network, ...]
    running: bool
    started: str

    @property
    def mac(self) -> str:
        """The MAC address, by which the router knows who sent a frame."""
        return mac_address(self.address)

    def spec(self, image: str) -> str:
        """A fingerprint of what a container of it is started with and cannot change later."""
        parts = (image, self.hostname, self.network.name, str(self.address))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Wanted:
    """The machines that should be, by container name, and what cannot be, a sentence each."""

    machines: Mapping[str, Machine]
    left_out: tuple[str, ...]


def container_name(lab: str, instance: str, zone: str = "") -> str:
    """The name of a VM's container; with the zone, where another zone's VM has the name."""
    return f"{lab}-vm-{instance}{'.' if zone else ''}{zone}"


def wanted(
    state: State,
    lab: str,
    networks: Mapping[str, SubnetNetwork],
    kept: Mapping[str, str] | None = None,
) -> Wanted:
    """The machines of a lab whose subnets are these docker networks, by the subnet's link (from
    regions/ on). `kept` are the names that containers have now, by their instances' links."""
    left_out: list[str] = []
    vms = [one for one in state.all("instances") if NODE_LABEL not in one.get("labels", {})]
    names = _names(sorted(vms, key=_age), lab, kept or {})
    made = (_machine(one, names, networks, left_out) for one in vms)
    return Wanted({one.container: one for one in made if one}, tuple(left_out))


def _names(vms: Sequence[Body], lab: str, kept: Mapping[str, str]) -> dict[str, str]:
    """The containers' names by the instances' links: of VMs of one name the older has it bare,
    but none is called anew while it is there."""
    found: dict[str, str] = {}
    free: list[tuple[str, str, str]] = []
    for body in vms:
        link = _from_zones(body["selfLink"])
        _, zone, _, name = link.split("/")
        bare, full = container_name(lab, name), container_name(lab, name, zone)
        if kept.get(link) in (bare, full):
            found[link] = kept[link]
        else:
            free.append((link, bare, full))
    taken = set(found.values())
    for link, bare, full in free:
        found[link] = full if bare in taken else bare
        taken.add(found[link])
    return found


def _machine(
    instance: Body,
    names: Mapping[str, str],
    networks: Mapping[str, SubnetNetwork],
    left_out: list[str],
) -> Machine | None:
    link = _from_zones(instance["selfLink"])
    nic, *more = instance["networkInterfaces"]
    if more:
        left_out.append(f"{link}: only the first of its interfaces is made real")
    subnet = from_regions(nic["subnetwork"])
    network = networks.get(subnet)
    if network is None:
        known = ", ".join(sorted(networks)) or "none"
        left_out.append(f"{link}: no docker network is {subnet} (there are: {known})")
        return None
    address = IPv4Address(nic["networkIP"])
    if address not in network.range:
        left_out.append(f"{link}: {address} is not in {network.range}, its docker network's range")
        return None
    return Machine(
        instance=link,
        number=instance["id"],
        hostname=instance.get("hostname") or instance["name"],
        container=names[link],
        network=network,
        address=address,
        aliases=tuple(sorted(_aliases(nic))),
        running=instance["status"] in RUNNING,
        started=instance.get("lastStartTimestamp", ""),
    )


def _aliases(nic: Body) -> Iterator[IPv4Network]:
    for alias in nic.get("aliasIpRanges", ()):
        yield IPv4Network(alias["ipCidrRange"])


def subnet_networks(
    lab: str, declared: Iterable[str], networks: Iterable[Network]
) -> dict[str, SubnetNetwork]:
    """The docker networks that are a lab's subnets, by the subnets' links: of `declared` ones the
    name tells, of later ones a label."""
    links = {f"gkelab.{lab}.{_last(link)}": link for link in declared}
    found = {}
    for network in networks:
        link = network.labels.get(SUBNETWORK) or links.get(network.name)
        if link and network.subnets:
            # An expanded subnet keeps its gateway, which else is the first address.
            gateway = network.labels.get(GATEWAY, network.subnets[0].network_address + 1)
            found[link] = SubnetNetwork(
                network.name, network.subnets[0], network.bridge, IPv4Address(gateway)
            )
    return found


def _age(instance: Body) -> tuple[str, str]:
    return instance.get("creationTimestamp", ""), instance["selfLink"]


def from_regions(link: str) -> str:
    """A subnetwork's link from regions/ on."""
    return f"regions/{link.partition('/regions/')[2]}"


def _from_zones(link: str) -> str:
    return f"zones/{link.partition('/zones/')[2]}"


def _last(link: str) -> str:
    return link.rpartition("/")[2]

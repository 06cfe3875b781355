"""Subnets that came after `up`, and where routes lead that did: which of the cloud's they are,
whether this host can have their ranges, and what of docker's networks is to go. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from gkelab.cloud.machines.plan import VM, Seen
from gkelab.cloud.machines.wanted import GATEWAY, SUBNET_NUMBER, from_regions
from gkelab.cloud.mirror import Body, State
from gkelab.ipam import RFC1918
from gkelab.tools.docker import SUBNETWORK, Network
from gkelab.tools.lab_network import LabNetwork, subnet_network

# What the lab takes from a host on a word of the API's alone (RFC 1918, RFC 6598): Compute lets a
# subnet have public addresses, too, which then nobody on this machine would reach.
PRIVATE = (*RFC1918, IPv4Network("100.64.0.0/10"))


@dataclass(frozen=True)
class Later:
    """A subnet that came after `up`: `link` is its self link from regions/ on, `gateway` the
    router's address in it."""

    link: str
    number: str
    network: LabNetwork
    range: IPv4Network
    gateway: IPv4Address
    secondary: tuple[IPv4Network, ...]

    @property
    def ranges(self) -> tuple[IPv4Network, ...]:
        """The primary one and the secondary ones."""
        return (self.range, *self.secondary)

    @property
    def labels(self) -> dict[str, str]:
        """What tells the docker network that is this subnet, beside the lab's labels."""
        gateway = str(self.gateway)
        return {SUBNETWORK: self.link, SUBNET_NUMBER: self.number, GATEWAY: gateway}

    def is_of(self, network: Network) -> bool:
        """Whether the docker network was made for it, in whatever size."""
        return self.labels.items() <= dict(network.labels).items()


@dataclass(frozen=True)
class Claim:
    """A range that somebody has already, and who."""

    range: IPv4Network
    owner: str


def later_subnets(state: State, lab: str, declared: Collection[str]) -> tuple[Later, ...]:
    """The cloud's subnets but those that `up` makes (`declared`, by link), the oldest first. Of
    an auto mode network, which has one a region, those alone that an instance is in."""
    autos = {n["selfLink"] for n in state.all("networks") if n.get("autoCreateSubnetworks")}
    used = {
        from_regions(nic["subnetwork"])
        for instance in state.all("instances")
        for nic in instance["networkInterfaces"]
    }
    found = []
    for body in _oldest_first(state.all("subnetworks")):
        link = from_regions(body["selfLink"])
        if link not in declared and (body["network"] not in autos or link in used):
            found.append(_later(body, link, lab))
    return tuple(found)


def _oldest_first(subnets: Iterable[Body]) -> list[Body]:
    return sorted(subnets, key=lambda body: (body.get("creationTimestamp", ""), body["selfLink"]))


def _later(body: Body, link: str, lab: str) -> Later:
    _, region, _, name = link.split("/")
    primary = IPv4Network(body["ipCidrRange"])
    return Later(
        link=link,
        number=body["id"],
        # No declared subnet has such a name. Nobody there needs docker's masquerading, as nodes
        # do, and without it no rule of the host's has to keep sources as they are.
        network=subnet_network(f"gkelab.{lab}.{region}.{name}", primary, masquerade=False),
        range=primary,
        gateway=IPv4Address(body["gatewayAddress"]),
        secondary=tuple(_secondary(body)),
    )


def _secondary(body: Body) -> Iterator[IPv4Network]:
    for item in body.get("secondaryIpRanges", ()):
        yield IPv4Network(item["ipCidrRange"])


def routed_beyond(
    state: State, declared: Collection[str], ranges: Sequence[IPv4Network]
) -> dict[IPv4Network, str]:
    """Where routes by instances lead in the networks of the subnets that `up` makes, beyond
    `ranges`; and the names of those routes. A default route is left out: a machine's way to what
    the lab does not have is not the lab's."""
    subnets = state.all("subnetworks")
    networks = {s["network"] for s in subnets if from_regions(s["selfLink"]) in declared}
    found: dict[IPv4Network, str] = {}
    for route in state.all("routes"):
        destination = IPv4Network(route["destRange"])
        by_instance = "nextHopInstance" in route or "nextHopIp" in route
        here = by_instance and route["network"] in networks
        known = not destination.prefixlen or any(destination.subnet_of(n) for n in ranges)
        if here and not known:
            found.setdefault(destination, route["name"])
    return found


def declared_claims(state: State, declared: Collection[str]) -> Iterator[Claim]:
    """What the subnets that `up` makes have by now: they may have grown."""
    for body in state.all("subnetworks"):
        link = from_regions(body["selfLink"])
        if link in declared:
            for network in (IPv4Network(body["ipCidrRange"]), *_secondary(body)):
                yield Claim(network, f"the subnetwork {link}")


def network_claims(networks: Iterable[Network]) -> Iterator[Claim]:
    """What docker's networks have."""
    for network in networks:
        yield from (Claim(n, f"docker's network {network.name}") for n in network.subnets)


def resolver_claims(text: str) -> Iterator[Claim]:
    """The name servers of a resolv.conf's text, but those on this machine itself."""
    for words in map(str.split, text.splitlines()):
        if words[:1] == ["nameserver"] and len(words) > 1:
            yield from _address_claims(words[1], "this host's name server")


def peer_claims(text: str) -> Iterator[Claim]:
    """Whom this host talks with now, by `ss -Htn4 state established`: a person's way in, a
    proxy."""
    for words in map(str.split, text.splitlines()):
        if len(words) >= 4:
            yield from _address_claims(words[3].rpartition(":")[0], "a connection of this host to")


def _address_claims(text: str, owner: str) -> Iterator[Claim]:
    try:
        address = IPv4Address(text.partition("%")[0])
    except AddressValueError:
        return
    if not address.is_loopback:
        yield Claim(IPv4Network(address), owner)


def refusal(network: IPv4Network, claims: Iterable[Claim]) -> str:
    """Why this host cannot have the range; "" if it can."""
    if not any(network.subnet_of(private) for private in PRIVATE):
        return f"{network} is not of private addresses, so this host would lose who has it"
    for claim in claims:
        if claim.range.overlaps(network):
            return f"{network} overlaps {claim.owner} {claim.range}"
    return ""


def going(
    networks: Iterable[Network], wanted: Sequence[Later], containers: Iterable[Seen]
) -> list[Network]:
    """The docker networks of such subnets that no subnet is left of, or that are to be made anew
    as their subnet has another range by now and no VM is on them."""
    inhabited = {name for c in containers if c.role == VM for name in c.networks}
    found = []
    for network in networks:
        if SUBNETWORK in network.labels:
            mine = next((one for one in wanted if one.is_of(network)), None)
            outgrown = mine and mine.range not in network.subnets
            if mine is None or (outgrown and network.name not in inhabited):
                found.append(network)
    return found


def smaller(one: Later, network: Network) -> str:
    """What to tell of a subnet that was expanded and is real in its old size; "" if it is not."""
    if one.range in network.subnets:
        return ""
    old = ", ".join(map(str, network.subnets))
    return (
        f"{one.link} is {one.range} and real as {old} alone: docker's network cannot grow under its"
        " VMs; once these are deleted, it is made anew"
    )

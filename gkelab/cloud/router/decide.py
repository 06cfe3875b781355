"""What becomes of a connection's first packet, by the rules of Compute as they are written.

The specification of what `compiled` makes nftables do, and what explains a packet's fate to a
person: rule by rule, without the maps and layers that make the real thing quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

from gkelab.cloud.router.fabric import Fabric, Nic, Pool, Rule

WITH_PORTS = (6, 17, 132)
DNS = 53


class Fate(Enum):
    """How it ends: delivered, taken by the router, or what dropped it, in the counters' words."""

    DELIVERED = "delivered"
    RESOLVER = "resolver"  # the router takes it itself
    UNKNOWN_SENDER = "unknown_senders"
    SPOOFED = "spoofed"
    INTERNET_SPOOFED = "internet_spoofed"
    NOWHERE = "nowhere"
    NOT_PUBLIC = "not_public"
    NO_PUBLIC_ADDRESS = "no_public_address"
    EGRESS = "egress"
    INGRESS = "ingress"


IMPLIED = {"EGRESS": "implied allow egress", "INGRESS": "implied deny ingress"}


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection. `sender` is the primary address of the interface that
    sent it; None: it comes from the internet network. `port` is the destination's."""

    sender: IPv4Address | None
    source: IPv4Address
    destination: IPv4Address
    protocol: int
    port: int = 0


@dataclass(frozen=True)
class Decision:
    """What was decided, as far as it went. `egress` and `ingress` name the rules; `receiver` is
    the instance (or the pool, or the internet); `source` and `destination` are what arrives."""

    fate: Fate
    source: IPv4Address
    destination: IPv4Address
    route: str = ""
    receiver: str = ""
    egress: str = ""
    ingress: str = ""

    @property
    def delivered(self) -> bool:
        """Whether it arrives."""
        return self.fate is Fate.DELIVERED


def decide(fabric: Fabric, packet: Packet) -> Decision:
    """The fate of a packet, and why."""
    source, destination = packet.source, packet.destination
    fate = sent(fabric, packet) or asked(fabric, packet) or led(fabric, packet)
    if fate:
        return Decision(fate, source, destination)
    if packet.sender is None and destination in fabric.public:
        destination = fabric.public[destination].address
    sender = None if packet.sender is None else fabric.nics_by_address[packet.sender]
    way = way_of(fabric, sender, destination)
    if way is None:
        return Decision(Fate.NOWHERE, source, destination)
    hop, route = way
    egress = ""
    if sender is not None:
        allowed, egress = firewall(fabric, "EGRESS", sender, packet, destination)
        if not allowed:
            return Decision(Fate.EGRESS, source, destination, route, _name(hop), egress)
    if hop is None:
        public = _public_source(fabric, source)
        fate = Fate.DELIVERED if public else Fate.NO_PUBLIC_ADDRESS
        return Decision(fate, public or source, destination, route, "internet", egress)
    allowed, ingress = firewall(fabric, "INGRESS", hop, packet, destination)
    fate = Fate.DELIVERED if allowed else Fate.INGRESS
    return Decision(fate, source, destination, route, _name(hop), egress, ingress)


def sent(fabric: Fabric, packet: Packet) -> Fate | None:
    """What is wrong with who sends it, if anything."""
    if packet.sender is None:
        inside = fabric.internet and packet.source in fabric.internet
        return None if inside else Fate.INTERNET_SPOOFED
    nic = fabric.nics_by_address.get(packet.sender)
    if nic is None:
        return Fate.UNKNOWN_SENDER
    own = [*nic.ranges, *(p.range for p in fabric.pools if nic in fabric.servers(p))]
    if nic.can_ip_forward or any(packet.source in network for network in own):
        return None
    return Fate.SPOOFED


def asked(fabric: Fabric, packet: Packet) -> Fate | None:
    """Whether it is a question for the resolver of its network."""
    if packet.sender is None or packet.protocol not in (6, 17) or packet.port != DNS:
        return None
    network = fabric.nics_by_address[packet.sender].network
    gateways = (subnet.gateway for subnet in fabric.subnets if subnet.network == network)
    return Fate.RESOLVER if packet.destination in gateways else None


def led(fabric: Fabric, packet: Packet) -> Fate | None:
    """What the internet reaches, and it no more than that."""
    if packet.sender is not None or packet.destination in fabric.public:
        return None
    pools = (pool.range for pool in fabric.pools if pool.public)
    return None if any(packet.destination in network for network in pools) else Fate.NOT_PUBLIC


def way_of(
    fabric: Fabric, sender: Nic | None, destination: IPv4Address
) -> tuple[Nic | Pool | None, str] | None:
    """Who gets what a machine (None: one on the internet) sends to an address, where None is the
    internet, and the route that says so; None where nobody does."""
    owner = fabric.owner(destination)
    if sender is not None and not (owner and owner.network == sender.network):
        return _static(fabric, sender, destination)
    if isinstance(owner, Pool):
        return owner, f"{owner.range} pool of {owner.tag}"
    if owner is None:
        return None
    alias = next((n for n in owner.aliases if destination in n), None)
    subnet = fabric.subnets_by_link[owner.subnet]
    return owner, f"{alias} via {owner.address}" if alias else f"{subnet.range} subnet"


def _static(fabric: Fabric, sender: Nic, destination: IPv4Address) -> tuple[Nic | None, str] | None:
    if any(destination in network for network in fabric.kept(sender.network)):
        return None
    held = max((n.prefixlen for n in fabric.held if destination in n), default=0)
    found = [
        route
        for route in fabric.routes
        if route.applies(sender.network, sender.tags)
        and destination in route.destination
        and route.destination.prefixlen >= held
    ]
    best = min(found, key=lambda route: route.rank, default=None)
    if best is None:
        return None
    if best.via is None:
        there = fabric.internet and destination in fabric.internet
        return (None, f"{best.destination} internet ({best.name})") if there else None
    return fabric.nics_by_address[best.via], f"{best.destination} via {best.via} ({best.name})"


def firewall(
    fabric: Fabric, direction: str, at: Nic | Pool, packet: Packet, destination: IPv4Address
) -> tuple[bool, str]:
    """Whether the rules of one direction let it through, and the name of the one that says so."""
    for rule in sorted(fabric.rules, key=lambda rule: rule.rank):
        applies = rule.direction == direction and rule.targets(at.network, at.tags)
        if applies and matches(fabric, rule, packet, destination):
            return not rule.deny, rule.name
    return direction == "EGRESS", IMPLIED[direction]


def matches(fabric: Fabric, rule: Rule, packet: Packet, destination: IPv4Address) -> bool:
    """Whether a rule is about a packet."""
    sources = any(packet.source in network for network in rule.sources)
    sources = sources or packet.source in fabric.tagged(rule.network, rule.source_tags)
    sources = sources or not (rule.sources or rule.source_tags)
    led_there = any(destination in network for network in rule.destinations)
    if not sources or not (led_there or not rule.destinations):
        return False
    for service in rule.services:
        if service.protocol not in (None, packet.protocol):
            continue
        ported = packet.protocol in WITH_PORTS
        if not service.ports or (
            ported and any(first <= packet.port <= last for first, last in service.ports)
        ):
            return True
    return False


def _public_source(fabric: Fabric, source: IPv4Address) -> IPv4Address | None:
    nic = fabric.nics_by_address.get(source)
    if nic and nic.nat_ip:
        return nic.nat_ip
    pools = (pool.range for pool in fabric.pools if pool.public)
    return source if any(source in network for network in pools) else None


def _name(hop: Nic | Pool | None) -> str:
    if hop is None:
        return "internet"
    return hop.instance if isinstance(hop, Nic) else str(IPv4Network(hop.range))

"""From a fabric to the nftables table that enforces it.

A packet's way: `senders` (before connection tracking) asks whether the machine that sent it may
use its source address; `destinations` whether a new connection's destination is anybody's; the
NAT chains stand public addresses for primary ones towards the internet; `forward` lets through
what belongs to a connection, and has new ones decided by the egress rules of who sends and the
ingress rules of who receives. Every step is a look-up in a set or map, whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from gkelab.cloud.router.classes import Classes, short_hash
from gkelab.cloud.router.fabric import Fabric, Nic
from gkelab.cloud.router.ruleset import Chain, Ruleset, Set

# What is counted beside what each interface spoofs.
COUNTERS = (
    "unknown_senders",
    "internet_spoofed",
    "nowhere",
    "not_public",
    "no_public_address",
    "outside",
    "invalid",
    "implied_deny",
)
RAW = "type filter hook prerouting priority -300; policy accept;"
NEW = "type filter hook prerouting priority -150; policy accept;"
DNAT = "type nat hook prerouting priority -100; policy accept;"
SNAT = "type nat hook postrouting priority 100; policy accept;"
FORWARD = "type filter hook forward priority 0; policy drop;"
INPUT = "type filter hook input priority 0; policy drop;"
INPUT_RULES = ('iifname "lo" accept', "ct state established,related accept")
QUESTIONS = ("udp dport 53", "tcp dport 53")
# The router's own service. Who may ask it is settled by then.
ASKED = tuple(f"ip daddr @resolvers {question} accept" for question in QUESTIONS)


@dataclass(frozen=True)
class Interfaces:
    """The router's interfaces: by subnet's link, and the one towards the internet."""

    subnets: Mapping[str, str]
    internet: str | None = None


# What the table is until the state is known: nothing passes.
CLOSED = Ruleset(
    chains={"forward": Chain(FORWARD, ()), "input": Chain(INPUT, INPUT_RULES)},
)


def compiled(fabric: Fabric, interfaces: Interfaces) -> Ruleset:
    """The table for the subnets that the router has an interface in."""
    fabric = fabric.only(interfaces.subnets)
    counters = {*COUNTERS, *(spoof_counter(nic) for nic in fabric.nics)}
    table = Table(fabric, interfaces, counters)
    table.senders()
    table.destinations()
    table.nat()
    table.forward()
    return Ruleset(frozenset(counters), table.sets, table.chains)


def spoof_counter(nic: Nic) -> str:
    """The counter of what an interface sent with an address that is not its own."""
    return f"spoofed_{nic.address.packed.hex()}"


@dataclass
class Table:
    """The table in the making."""

    fabric: Fabric
    interfaces: Interfaces
    counters: set[str]
    sets: dict[str, Set] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)

    def _set(self, name: str, kind: str, elements: Mapping[str, str], interval: bool) -> None:
        self.sets[name] = Set(kind, interval, elements)

    @property
    def _internet(self) -> str | None:
        return self.interfaces.internet if self.fabric.internet else None

    def senders(self) -> None:
        """Whose each address is, as a mark (an interface's primary address, a pool's first), and
        who may send with which mark: two quick look-ups, where one in a set of all three
        together would be a slow one."""
        fabric, names = self.fabric, self.interfaces.subnets
        owner = {str(n): _mark(nic.address) for nic in fabric.nics for n in nic.ranges}
        owner |= {str(pool.range): _mark(pool.range[0]) for pool in fabric.pools}
        self._set("owner", "type ipv4_addr : mark", _plain(owner), True)
        own = [(nic, _mark(nic.address)) for nic in fabric.nics]
        own += [(nic, _mark(p.range[0])) for p in fabric.pools for nic in fabric.servers(p)]
        self._set(
            "senders",
            "typeof iifname . ether saddr . meta mark",
            {f'"{names[nic.subnet]}" . {nic.mac} . {mark}': "" for nic, mark in own},
            False,
        )
        self._set(
            "forwarders",
            "typeof iifname . ether saddr",
            {f'"{names[n.subnet]}" . {n.mac}': "" for n in fabric.nics if n.can_ip_forward},
            False,
        )
        spoofed = {nic.mac: f'"{spoof_counter(nic)}"' for nic in fabric.nics}
        self._set("spoofed", "type ether_addr : counter", spoofed, False)
        sides = {f'"{name}"': "goto from_subnet" for name in names.values()}
        if self._internet:
            sides[f'"{self._internet}"'] = "goto from_internet"
            self.chains["from_internet"] = Chain(
                "", (f"ip saddr {fabric.internet} accept", "counter name internet_spoofed drop")
            )
        self._set("sides", "type ifname : verdict", sides, False)
        self.chains["from_subnet"] = Chain(
            "",
            (
                "meta mark set ip saddr map @owner",
                "iifname . ether saddr . meta mark @senders accept",
                "iifname . ether saddr @forwarders accept",
                "counter name ether saddr map @spoofed drop",
                "counter name unknown_senders drop",
            ),
        )
        # Broadcasts and multicasts are nobody's connections.
        rules = ('iifname "lo" accept', "meta pkttype != host drop", "iifname vmap @sides")
        self.chains["senders"] = Chain(RAW, rules)

    def destinations(self) -> None:
        """Where new connections may lead: to what the network has, from the internet to what is
        public."""
        fabric = self.fabric
        towards = {}
        for subnet in fabric.subnets:
            name = f"to_{short_hash(subnet.network)}"
            towards[f'"{self.interfaces.subnets[subnet.link]}"'] = f"goto {name}"
        for network in fabric.networks:
            name = f"to_{short_hash(network)}"
            reached = collapse_addresses(_reached(fabric, network))
            self._set(name, "type ipv4_addr", {str(_short(n)): "" for n in reached}, True)
            # The network's own gateways are its resolvers, and nothing else.
            at = f"at_{short_hash(network)}"
            own = {str(s.gateway): "" for s in fabric.subnets if s.network == network}
            self._set(at, "type ipv4_addr", own, False)
            asks = (f"ip daddr @{at} {question} accept" for question in QUESTIONS)
            to = (f"ip daddr @{name} accept", *asks, "counter name nowhere drop")
            self.chains[name] = Chain("", to)
        if self._internet:
            towards[f'"{self._internet}"'] = "goto to_public"
            public = [IPv4Network(address) for address in fabric.public]
            public += [pool.range for pool in fabric.pools if pool.public]
            found = {str(_short(n)): "" for n in collapse_addresses(public)}
            self._set("public", "type ipv4_addr", found, True)
            to = ("ip daddr @public accept", "counter name not_public drop")
            self.chains["to_public"] = Chain("", to)
        self._set("towards", "type ifname : verdict", towards, False)
        rules = ("ct state != new accept", "iifname vmap @towards")
        self.chains["destinations"] = Chain(NEW, rules)

    def nat(self) -> None:
        """Public addresses stand for primary ones, towards the internet alone."""
        if not self._internet:
            return
        pairs = [(str(a), str(nic.address)) for a, nic in self.fabric.public.items()]
        kind = "type ipv4_addr : ipv4_addr"
        self._set("public_to_primary", kind, dict(pairs), False)
        self._set("primary_to_public", kind, {primary: a for a, primary in pairs}, False)
        name = self._internet
        self.chains["public_to_primary"] = Chain(
            DNAT, (f'iifname "{name}" dnat to ip daddr map @public_to_primary',)
        )
        self.chains["primary_to_public"] = Chain(
            SNAT, (f'oifname "{name}" snat to ip saddr map @primary_to_public',)
        )

    def forward(self) -> None:
        """The firewall, for what starts a connection."""
        fabric = self.fabric
        inside = {f'"{name}"': "" for name in self.interfaces.subnets.values()}
        rules = [
            "ct state established,related accept",
            "ct state invalid counter name invalid drop",
            "iifname != @inside counter name outside drop",
            "oifname != @inside counter name outside drop",
            "ether saddr vmap @egress",
        ]
        if self._internet:
            inside[f'"{self._internet}"'] = ""
            rules.append(f'oifname "{self._internet}" goto to_internet')
            public = [IPv4Network(nic.address) for nic in fabric.public.values()]
            public += [pool.range for pool in fabric.pools if pool.public]
            found = {str(_short(n)): "" for n in collapse_addresses(public)}
            self._set("has_public", "type ipv4_addr", found, True)
            to = ("ip saddr @has_public accept", "counter name no_public_address drop")
            self.chains["to_internet"] = Chain("", to)
        self._set("inside", "type ifname", inside, False)
        # Who receives is the next hop, which for the router's own subnets is the destination.
        rules += [
            "rt ip nexthop vmap @ingress",
            "ip daddr vmap @ingress_pools",
            "counter name nowhere drop",
        ]
        classes = Classes(fabric, self.sets, self.chains)
        egress = {nic.mac: f"jump {classes.chain('EGRESS', nic)}" for nic in fabric.nics}
        self._set("egress", "type ether_addr : verdict", egress, False)
        ingress = {str(n.address): f"goto {classes.chain('INGRESS', n)}" for n in fabric.nics}
        self._set("ingress", "type ipv4_addr : verdict", ingress, False)
        pools = {str(_short(p.range)): f"goto {classes.chain('INGRESS', p)}" for p in fabric.pools}
        self._set("ingress_pools", "type ipv4_addr : verdict", pools, True)
        self.chains["forward"] = Chain(FORWARD, tuple(rules))
        resolvers = {str(s.gateway): "" for s in fabric.subnets}
        self._set("resolvers", "type ipv4_addr", resolvers, False)
        self.chains["input"] = Chain(INPUT, (*INPUT_RULES, *ASKED))


def _reached(fabric: Fabric, network: str) -> Iterator[IPv4Network]:
    yield from (n for nic in fabric.nics if nic.network == network for n in nic.ranges)
    yield from (pool.range for pool in fabric.pools if pool.network == network)
    yield from (n for r in fabric.routes if r.network == network for n in fabric.left_of(r))
    if fabric.internet and network in fabric.internet_networks:
        yield fabric.internet


def _mark(address: IPv4Address) -> str:
    return f"0x{int(address):08x}"


def _plain(owner: Mapping[str, str]) -> dict[str, str]:
    return {key.removesuffix("/32"): value for key, value in owner.items()}


def _short(network: IPv4Network) -> object:
    return network.network_address if network.prefixlen == 32 else network

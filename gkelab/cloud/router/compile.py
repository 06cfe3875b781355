"""From a fabric to the nftables table that enforces it.

A packet's way: `senders` (before connection tracking) asks whether the machine that sent it may
use its source address; `destinations` whether a new connection's destination is anybody's;
`tables` marks what is routed by a table of its sender's group; the NAT chains stand public
addresses for primary ones towards the internet; `forward` lets through what belongs to a
connection, and has new ones decided by the egress rules of who sends and the ingress rules of who
receives. Every step is a look-up in a set or map, whatever their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from gkelab.cloud.router.applicable import Group, groups
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
ROUTING = "type filter hook prerouting priority -140; policy accept;"
DNAT = "type nat hook prerouting priority -100; policy accept;"
SNAT = "type nat hook postrouting priority 100; policy accept;"
FORWARD = "type filter hook forward priority 0; policy drop;"
INPUT = "type filter hook input priority 0; policy drop;"
# Who sent a packet, as the wire tells.
SENDER = "iifname . ether saddr"
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
    table.tables()
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

    def _sender(self, nic: Nic) -> str:
        return f'"{self.interfaces.subnets[nic.subnet]}" . {nic.mac}'

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return groups(self.fabric)

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
            f"typeof {SENDER} . meta mark",
            {f"{self._sender(nic)} . {mark}": "" for nic, mark in own},
            False,
        )
        self._set(
            "forwarders",
            f"typeof {SENDER}",
            {self._sender(nic): "" for nic in fabric.nics if nic.can_ip_forward},
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
                f"{SENDER} . meta mark @senders accept",
                f"{SENDER} @forwarders accept",
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
        fabric, names = self.fabric, self.interfaces.subnets
        towards: dict[str, str] = {}
        by_sender: dict[str, str] = {}
        for network in fabric.networks:
            name = short_hash(network)
            self._set(f"own_{name}", "type ipv4_addr", _elements(_own(fabric, network)), True)
            # The network's own gateways are its resolvers, and nothing else.
            at = {str(s.gateway): "" for s in fabric.subnets if s.network == network}
            self._set(f"at_{name}", "type ipv4_addr", at, False)
        for group in self._groups:
            to, network = f"to_{group.name}", short_hash(group.network)
            self._set(f"led_{group.name}", "type ipv4_addr", _elements(group.led(fabric)), True)
            rules = (
                f"ip daddr @own_{network} accept",
                f"ip daddr @led_{group.name} accept",
                *(f"ip daddr @at_{network} {question} accept" for question in QUESTIONS),
                "counter name nowhere drop",
            )
            self.chains[to] = Chain("", rules)
            if group.tags:
                by_sender |= {self._sender(nic): f"goto {to}" for nic in group.nics}
            else:
                subnets = (s for s in fabric.subnets if s.network == group.network)
                towards |= {f'"{names[s.link]}"': f"goto {to}" for s in subnets}
        if self._internet:
            towards[f'"{self._internet}"'] = "goto to_public"
            public = [IPv4Network(address) for address in fabric.public]
            public += [pool.range for pool in fabric.pools if pool.public]
            self._set("public", "type ipv4_addr", _elements(public), True)
            rules = ("ip daddr @public accept", "counter name not_public drop")
            self.chains["to_public"] = Chain("", rules)
        self._set("towards", "type ifname : verdict", towards, False)
        self._set("towards_by_sender", f"typeof {SENDER} : verdict", by_sender, False)
        rules = ("ct state != new accept", f"{SENDER} vmap @towards_by_sender")
        self.chains["destinations"] = Chain(NEW, (*rules, "iifname vmap @towards"))

    def tables(self) -> None:
        """Which table routes what a group sends; most have none of their own."""
        own = [group for group in self._groups if group.has_table]
        marks = {self._sender(nic): f"0x{g.table:08x}" for g in own for nic in g.nics}
        if marks:
            self._set("tables", f"typeof {SENDER} : meta mark", marks, False)
            self.chains["tables"] = Chain(ROUTING, (f"meta mark set {SENDER} map @tables",))

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
            self._set("has_public", "type ipv4_addr", _elements(public), True)
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


def _own(fabric: Fabric, network: str) -> Iterator[IPv4Network]:
    yield from (n for nic in fabric.nics if nic.network == network for n in nic.ranges)
    yield from (pool.range for pool in fabric.pools if pool.network == network)


def _elements(networks: Iterable[IPv4Network]) -> dict[str, str]:
    return {str(_short(network)): "" for network in collapse_addresses(networks)}


def _mark(address: IPv4Address) -> str:
    return f"0x{int(address):08x}"


def _plain(owner: Mapping[str, str]) -> dict[str, str]:
    return {key.removesuffix("/32"): value for key, value in owner.items()}


def _short(network: IPv4Network) -> object:
    return network.network_address if network.prefixlen == 32 else network

"""`ip -json route`, `ip -json address`, `ip -json -details link`, `ip -json neigh`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Any

from tests.support.parse.errors import listed, parsing

TUNNELS = frozenset(
    {"vxlan", "geneve", "ipip", "sit", "ip6tnl", "gre", "gretap", "ip6gre", "wireguard", "vti"}
)


@dataclass(frozen=True)
class Route:
    """One route. `type` is unicast, unreachable, blackhole, local, ...; `gateways` are the next
    hops' addresses (none: on the link, or to nowhere) and `devices` their interfaces, one by one.
    `mtu` and `metric` are 0 where not set, other texts ""."""

    destination: IPv4Network | IPv6Network
    type: str
    gateways: tuple[str, ...]
    devices: tuple[str, ...]
    protocol: str
    scope: str
    source: str
    table: str
    metric: int
    mtu: int
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Interface:
    """One interface's addresses. `state` is UP, DOWN or UNKNOWN."""

    name: str
    index: int
    mac: str
    mtu: int
    state: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


@dataclass(frozen=True)
class Link:
    """One interface. `kind` is veth, bridge, vxlan, ..., "" for hardware; `peer` is the other end
    of a veth by number, 0 if unknown; `master` is the bridge it is in, "" for none."""

    name: str
    index: int
    kind: str
    mac: str
    mtu: int
    state: str
    peer: int
    master: str

    @property
    def is_tunnel(self) -> bool:
        """Whether packets that leave here are wrapped."""
        return self.kind in TUNNELS


@dataclass(frozen=True)
class Neighbour:
    """Whose hardware address a neighbour's is known to have: "" while nobody answers."""

    address: str
    device: str
    mac: str
    states: tuple[str, ...]


def routes(text: str, *, ipv6: bool = False) -> list[Route]:
    """From `ip -json route`, with `-6` or without; also `show table all`, and `get`, whose route
    is that of the one address. Raises ParseError."""
    with parsing("ip route", text):
        return [_route(raw, "::/0" if ipv6 else "0.0.0.0/0") for raw in listed(text)]


def addresses(text: str) -> list[Interface]:
    """From `ip -json address`. Raises ParseError."""
    with parsing("ip address", text):
        # Filtered ones come as empty objects.
        return [_interface(raw) for raw in listed(text) if raw]


def links(text: str) -> list[Link]:
    """From `ip -json -details link`. Raises ParseError."""
    with parsing("ip link", text):
        return [_link(raw) for raw in listed(text) if raw]


def neighbours(text: str) -> list[Neighbour]:
    """From `ip -json neigh`. Raises ParseError."""
    with parsing("ip neigh", text):
        return [
            Neighbour(raw["dst"], raw["dev"], raw.get("lladdr", ""), tuple(raw.get("state", ())))
            for raw in listed(text)
        ]


def _route(raw: dict[str, Any], everywhere: str) -> Route:
    hops = raw.get("nexthops") or [raw]
    gateways = [hop.get("gateway") or (hop.get("via") or {}).get("host", "") for hop in hops]
    return Route(
        destination=ip_network(everywhere if raw["dst"] == "default" else raw["dst"]),
        type=raw.get("type", "unicast"),
        gateways=tuple(gateway for gateway in gateways if gateway),
        devices=tuple(hop["dev"] for hop in hops if "dev" in hop),
        protocol=raw.get("protocol", ""),
        scope=raw.get("scope", ""),
        source=raw.get("prefsrc", ""),
        table=str(raw.get("table", "main")),
        metric=int(raw.get("metric", 0)),
        mtu=next((int(m["mtu"]) for m in raw.get("metrics", ()) if "mtu" in m), 0),
        flags=tuple(raw.get("flags", ())),
    )


def _interface(raw: dict[str, Any]) -> Interface:
    return Interface(
        name=raw["ifname"],
        index=int(raw["ifindex"]),
        mac=raw.get("address", ""),
        mtu=int(raw["mtu"]),
        state=raw["operstate"],
        addresses=tuple(
            ip_interface(f"{info['local']}/{info['prefixlen']}") for info in raw["addr_info"]
        ),
    )


def _link(raw: dict[str, Any]) -> Link:
    return Link(
        name=raw["ifname"],
        index=int(raw["ifindex"]),
        kind=raw.get("linkinfo", {}).get("info_kind", ""),
        mac=raw.get("address", ""),
        mtu=int(raw["mtu"]),
        state=raw["operstate"],
        peer=int(raw.get("link_index", 0)),
        master=raw.get("master", ""),
    )

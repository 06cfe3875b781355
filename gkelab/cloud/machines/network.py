"""A machine's addresses and routes: what `ip` shows of them, and the words that make them right.

As on a VM of GCE: the MAC address tells the primary address, which is a /32, the router is reached
on the link and leads everywhere, and alias ranges are local routes of protocol 66, as Google's
guest agent makes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from gkelab.cloud.machines.wanted import Machine
from gkelab.tools.iproute import LAST_METRIC

DEVICE = "eth0"
ALIAS_PROTOCOL = "66"
# One `ip -json -4 -batch -` answers them all; after a link, it has no ear for addresses.
QUESTIONS = (
    f"address show dev {DEVICE}\n"
    "route show table main\n"
    f"route show table local proto {ALIAS_PROTOCOL}\n"
    f"link show dev {DEVICE}\n"
)


@dataclass(frozen=True)
class Network:
    """The interface's MAC address, its addresses (with prefix lengths), routes of the main table
    (in the words of `ip route`), and ranges that are local."""

    mac: str
    addresses: frozenset[str]
    routes: frozenset[str]
    local: frozenset[IPv4Network]


def wanted_network(machine: Machine, ranges: Sequence[IPv4Network]) -> Network:
    """What a machine should have. `ranges` are the lab's own: they go to the router, and nowhere
    if that way is ever gone."""
    gateway = machine.network.gateway
    routes = {f"{gateway} dev {DEVICE} scope link", f"default via {gateway} dev {DEVICE}"}
    for network in ranges:
        routes |= {
            f"{_words(network)} via {gateway} dev {DEVICE}",
            f"unreachable {_words(network)} metric {LAST_METRIC}",
        }
    addresses = frozenset({f"{machine.address}/32"})
    return Network(machine.mac, addresses, frozenset(routes), frozenset(machine.aliases))


def commands(seen: Network, wanted: Network) -> str:
    """What makes one the other, for `ip -batch`; "" when nothing has to be done. What a person
    added stays. The address in docker's form goes, and with it the route to the whole subnet."""
    # Before it goes, with what depends on it, the new one is there.
    ours = {address.partition("/")[0] for address in wanted.addresses}
    docker = [a for a in sorted(seen.addresses - wanted.addresses) if a.partition("/")[0] in ours]
    order = sorted(wanted.routes - seen.routes, key=lambda words: ("via" in words, words))
    # `docker run --mac-address` is a matter of the client's version and the daemon's together.
    lines = [f"link set dev {DEVICE} address {wanted.mac}"] if seen.mac != wanted.mac else []
    lines += [f"address add {a} dev {DEVICE}" for a in sorted(wanted.addresses - seen.addresses)]
    lines += [f"route replace {words}" for words in order]
    lines += local_commands(seen.local, wanted.local)
    lines += [f"address delete {a} dev {DEVICE}" for a in docker]
    return "".join(f"{line}\n" for line in lines)


def local_commands(seen: Iterable[IPv4Network], wanted: Iterable[IPv4Network]) -> list[str]:
    """What makes one set of local ranges the other."""
    old, new = frozenset(seen), frozenset(wanted)
    rest = f"dev lo proto {ALIAS_PROTOCOL}"
    gone = [f"route delete local {network} {rest}" for network in sorted(old - new)]
    return gone + [f"route replace local {network} {rest}" for network in sorted(new - old)]


def parse(text: str) -> Network:
    """The answers to QUESTIONS."""
    interfaces, main, local, links = _arrays(text)
    addresses = {
        f"{address['local']}/{address['prefixlen']}"
        for interface in interfaces
        for address in interface.get("addr_info", ())
    }
    mac = next((str(link["address"]) for link in links), "")
    routes = frozenset(route_words(r) for r in main)
    ranges = frozenset(IPv4Network(r["dst"]) for r in local if r.get("type") == "local")
    return Network(mac, frozenset(addresses), routes, ranges)


def _arrays(text: str) -> Iterator[list[Mapping[str, Any]]]:
    """The JSON arrays that stand one after the other."""
    decoder = json.JSONDecoder()
    rest = text.strip()
    while rest:
        array, end = decoder.raw_decode(rest)
        yield array
        rest = rest[end:].strip()


def route_words(raw: Mapping[str, Any]) -> str:
    """A route of `ip -json`, in the words of `ip route`."""
    kind = f"{raw['type']} " if raw.get("type", "unicast") != "unicast" else ""
    words = f"{kind}{raw['dst']}"
    if "gateway" in raw:
        words += f" via {raw['gateway']}"
    if "dev" in raw and not kind:
        words += f" dev {raw['dev']}"
    if raw.get("scope") == "link":
        words += " scope link"
    return words + (f" metric {raw['metric']}" if "metric" in raw else "")


def _words(network: IPv4Network) -> str:
    return str(network.network_address) if network.prefixlen == 32 else str(network)

"""The host's routes: `ip -json` in, `ip` argv out. The lab's own carry its routing protocol."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from gkelab.shell import Runner

# A number of the lab's own (rtnetlink(7) leaves those above RTPROT_STATIC to their users), by
# which its routes are told from everybody else's.
PROTOCOL = "71"
# Behind every real route: whatever knows a better way wins.
LAST_METRIC = "4000000000"


@dataclass(frozen=True)
class Route:
    """A route of the main table. `device` is "" for an unreachable one."""

    destination: IPv4Network
    device: str
    protocol: str
    kind: str


@dataclass(frozen=True)
class IpRoute:
    """The `ip` program. Methods raise CommandError when it refuses."""

    run: Runner

    def routes(self) -> list[Route]:
        """The IPv4 routes of the main table."""
        return parse_routes(self.run(["ip", "-json", "-4", "route", "show"]).stdout)

    def unreachable(self, ranges: Sequence[IPv4Network]) -> None:
        """Put an unreachable route under each range, so that nothing for it leaves the host."""
        for network in ranges:
            self.run(["ip", "route", "replace", *unreachable_words(network), "proto", PROTOCOL])

    def on_link(self, network: IPv4Network, device: str) -> None:
        """Reach a range's addresses directly on a device."""
        words = [str(network), "dev", device, "scope", "link", "proto", PROTOCOL]
        self.run(["ip", "route", "replace", *words])

    def remove_own(
        self, ranges: Sequence[IPv4Network], *, held: Collection[IPv4Network] | None = None
    ) -> None:
        """Remove the lab's routes to these ranges; what others made stays. With `held`, also those
        that lead nowhere to any other range but these."""
        for route in self.routes():
            chosen = route.destination in ranges
            if held is not None and route.kind == "unreachable":
                chosen |= route.destination not in held
            if chosen and route.protocol == PROTOCOL:
                kind = [route.kind] if route.kind != "unicast" else []
                device = ["dev", route.device] if route.device else []
                words = [*kind, str(route.destination), *device, "proto", PROTOCOL]
                self.run(["ip", "route", "delete", *words])


def unreachable_words(network: IPv4Network) -> list[str]:
    """The words of `ip route replace` for the route that stands under a made-up range."""
    return ["unreachable", str(network), "metric", LAST_METRIC]


def unreachable_batch(ranges: Sequence[IPv4Network]) -> str:
    """The routes that stand under made-up ranges, for `ip -batch`."""
    lines = (f"route replace {' '.join(unreachable_words(network))}\n" for network in ranges)
    return "".join(lines)


def via_batch(gateway: IPv4Address, device: str, ranges: Sequence[IPv4Network]) -> str:
    """Routes to ranges by way of a gateway, for `ip -batch`: also in place of those that the
    kernel made for what is on its link."""
    return "".join(f"route replace {network} via {gateway} dev {device}\n" for network in ranges)


def link_batch(device: str, addresses: Sequence[IPv4Address]) -> str:
    """Single addresses that are on a device's link, for `ip -batch`."""
    return "".join(f"route replace {one}/32 dev {device} scope link\n" for one in addresses)


def parse_routes(text: str) -> list[Route]:
    """`ip -json route show`; routes that are not of IPv4 networks are passed over."""
    return [
        Route(
            destination=IPv4Network("0.0.0.0/0" if raw["dst"] == "default" else raw["dst"]),
            device=raw.get("dev", ""),
            protocol=raw.get("protocol", ""),
            kind=raw.get("type", "unicast"),
        )
        for raw in json.loads(text or "[]")
    ]

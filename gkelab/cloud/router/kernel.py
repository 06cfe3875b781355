"""The router's own kernel: the only module that runs `nft`, `ip`, `tc`, `iptables-restore` and
`sysctl`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from gkelab.cloud.router.listing import Listing, parse_listing
from gkelab.cloud.router.routes import (
    Lookup,
    Neighbour,
    Route,
    parse_lookups,
    parse_neighbours,
    parse_routes,
)
from gkelab.cloud.router.ruleset import FAMILY, TABLE
from gkelab.shell import Runner

TIMEOUT = 60.0


@dataclass(frozen=True)
class Kernel:
    """Methods raise CommandError when a program refuses."""

    run: Runner

    def addresses(self) -> dict[str, tuple[IPv4Interface, ...]]:
        """The addresses that interfaces have, loopback's left out."""
        said = self.run(["ip", "-json", "-4", "addr", "show"], timeout=TIMEOUT).stdout
        return {
            item["ifname"]: tuple(
                IPv4Interface(f"{one['local']}/{one['prefixlen']}") for one in item["addr_info"]
            )
            for item in json.loads(said or "[]")
            if item.get("ifname") not in (None, "lo") and item.get("addr_info")
        }

    def load(self, text: str) -> None:
        """Make a transaction of nftables so, whole or not at all."""
        if text:
            self.run(["nft", "-f", "-"], input=text, timeout=TIMEOUT)

    def table(self) -> Listing:
        """The table as it is; an empty listing where there is none."""
        argv = ["nft", "-j", "list", "table", FAMILY, TABLE]
        said = self.run(argv, check=False, timeout=TIMEOUT)
        return parse_listing(said.stdout if said.code == 0 else "")

    def routes(self) -> tuple[frozenset[Route], frozenset[str]]:
        """The router's own routes, and the words of those that should not be there."""
        argv = ["ip", "-json", "-4", "route", "show", "table", "all"]
        return parse_routes(self.run(argv, timeout=TIMEOUT).stdout)

    def lookups(self) -> list[Lookup]:
        """Which table leads whose packets."""
        argv = ["ip", "-json", "-4", "rule", "show"]
        return parse_lookups(self.run(argv, timeout=TIMEOUT).stdout)

    def neighbours(self, devices: Sequence[str]) -> frozenset[Neighbour]:
        """The permanent neighbours on these devices."""
        argv = ["ip", "-json", "-4", "neigh", "show", "nud", "permanent"]
        return parse_neighbours(self.run(argv, timeout=TIMEOUT).stdout, devices)

    def batch(self, lines: Sequence[str]) -> str:
        """Do these words of `ip`, all that are possible; what it says of those that are not."""
        if not lines:
            return ""
        text = "".join(f"{line}\n" for line in lines)
        argv = ["ip", "-force", "-batch", "-"]
        return self.run(argv, input=text, check=False, timeout=TIMEOUT).stderr.strip()

    def traffic_control(self, lines: Sequence[str]) -> str:
        """Do these words of `tc`; "" or what it says."""
        text = "".join(f"{line}\n" for line in lines)
        argv = ["tc", "-force", "-batch", "-"]
        return self.run(argv, input=text, check=False, timeout=TIMEOUT).stderr.strip()

    def mangle(self, text: str) -> str:
        """Make this the mangle table, which the router has for nothing else; "" or what
        `iptables-restore` says."""
        done = self.run(["iptables-restore"], input=text, check=False, timeout=TIMEOUT)
        return "" if done.code == 0 else done.stderr.strip() or f"exit status {done.code}"

    def set_sysctls(self, wanted: Mapping[str, str]) -> list[str]:
        """Set those (by their path under /proc/sys); a sentence for each that is not so, and
        cannot be set. By a program, so that it is done where the runner runs programs."""
        words = [f"{name}={value}" for name, value in wanted.items()]
        if self.run(["sysctl", "-q", "-w", *words], check=False, timeout=TIMEOUT).code == 0:
            return []
        problems = []
        for name, value in wanted.items():
            said = self.run(["sysctl", "-n", name], check=False, timeout=TIMEOUT)
            if said.stdout.strip() != value:
                why = said.stderr.strip() or f"it is {said.stdout.strip()}"
                problems.append(f"the sysctl {name} cannot be set to {value}: {why}")
        return problems


def interface_of(
    address: IPv4Address, addresses: Mapping[str, Sequence[IPv4Interface]]
) -> str | None:
    """The interface that has an address."""
    found = (name for name, own in addresses.items() if address in [one.ip for one in own])
    return next(found, None)


def sysctls(devices: Sequence[str], *, forward: bool) -> dict[str, str]:
    """What the kernel must be like: it forwards what came in, also where it came from, says so
    to nobody, and leaves it to the rules who may send what."""
    wanted = {"net/ipv4/ip_forward": "1" if forward else "0"}
    for device in ("all", "default", *devices):
        place = f"net/ipv4/conf/{device}"
        wanted |= {
            f"{place}/rp_filter": "0",
            f"{place}/send_redirects": "0",
            f"{place}/accept_redirects": "0",
            f"{place}/proxy_arp": "0",
        }
    # IPv6 is not of this VPC, and must be no way around its rules.
    wanted["net/ipv6/conf/all/disable_ipv6"] = "1"
    # Connections that were there before the router was restarted go on.
    wanted["net/netfilter/nf_conntrack_tcp_loose"] = "1"
    wanted["net/netfilter/nf_conntrack_tcp_be_liberal"] = "1"
    return wanted

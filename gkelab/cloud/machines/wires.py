"""Wires: a packet between a machine and the router goes from the one's port to the other's, and not
over the bridge.

On a bridge it would go through the host's iptables and its connection tracking, as docker has
br_netfilter on: once on its way to the router, and once behind it. Handed on where it comes in, by
netfilter's ingress hook, it meets neither, which is quicker, and no firewall of the host's can
stand in the VPC's way. What else there is (ARP, what is the host's own) crosses the bridge as ever,
and so does everything where the kernel has none of this.

The table is one of the host's, `gkelab-LAB` of the family netdev. What is handed on to a port that
is gone is lost, so this process takes it away when it ends. It has a rule for each machine and no
map: the host's own `nft` may be older than this one, and Debian 12's (1.0.6) does not survive the
sight of a set that 1.1 has made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gkelab.tools.nft import Nft


@dataclass(frozen=True, order=True)
class End:
    """A port of a bridge of the host, the number of its interface, and the MAC address that is
    behind it."""

    bridge: str
    port: str
    number: int
    mac: str


@dataclass
class Wires:
    """The wires of a lab, in the host's network namespace."""

    lab: str
    nft: Nft
    _held: tuple[tuple[End, ...], tuple[End, ...]] | None = None

    def hold(self, routers: Iterable[End], machines: Iterable[End]) -> str:
        """Have wires between these ports of the router's and those of machines on the same
        bridges, and no others; "" or why there are none."""
        wanted = (tuple(sorted(routers)), tuple(sorted(machines)))
        if wanted == self._held:
            return ""
        chains = "".join(_chains(*wanted))
        refused = self.nft.replace(self.lab, chains) if chains else self.nft.remove(self.lab)
        if refused:
            self.clear()
        else:
            self._held = wanted
        return refused

    def forget(self) -> None:
        """Make them anew, as somebody else may have flushed the host's tables."""
        self._held = None

    def clear(self) -> None:
        """Have none: everything crosses the bridges again."""
        self._held = None
        self.nft.remove(self.lab)


def _chains(routers: Iterable[End], machines: Iterable[End]) -> Iterator[str]:
    """Of each bridge: from machines to the router, and from it to whose MAC address a frame is
    for."""
    behind = list(machines)
    for number, router in enumerate(routers):
        here = [end for end in behind if end.bridge == router.bridge]
        if not here:
            continue
        ports = ", ".join(f'"{end.port}"' for end in here)
        to_router = f'ether type ip ether daddr {router.mac} fwd to "{router.port}"'
        yield _chain(f"to_router_{number}", f"devices = {{ {ports} }}", to_router)
        to_machines = (f'ether type ip ether daddr {end.mac} fwd to "{end.port}"' for end in here)
        yield _chain(f"from_router_{number}", f'device "{router.port}"', *to_machines)


def _chain(name: str, where: str, *rules: str) -> str:
    hook = f"type filter hook ingress {where} priority 0; policy accept;"
    return "".join(f"{line}\n" for line in (f"chain {name} {{", hook, *rules, "}"))

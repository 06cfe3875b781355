"""Wires: a packet between a machine and the router goes from the one's port to the other's, and not
over the bridge.

On a bridge it would go through the host's iptables and its connection tracking, as docker has
br_netfilter on: once on its way to the router, and once behind it. Handed on where it comes in, by
netfilter's ingress hook, it meets neither, which is quicker, and no firewall of the host's can
stand in the VPC's way. What else there is (ARP, what is the host's own) crosses the bridge as ever,
and so does everything where the kernel has none of this.

The table is gone when this process is (nftables.Nftables): nothing is handed on to a port of which
nobody looks whether it is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Load = Callable[[str], str]


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
    """The wires of a lab. `load` makes a transaction of nftables so; "" or what it says against
    it."""

    lab: str
    load: Load
    _held: tuple[tuple[End, ...], tuple[End, ...]] | None = None
    _there: bool = False

    def hold(self, routers: Iterable[End], machines: Iterable[End]) -> str:
        """Have wires between these ports of the router's and those of machines on the same
        bridges, and no others; "" or why there are none."""
        wanted = (tuple(sorted(routers)), tuple(sorted(machines)))
        if wanted == self._held:
            return ""
        chains = "".join(_chains(*wanted))
        made = f"table netdev {self._name} {{\nflags owner\n{chains}}}\n" if chains else ""
        told = self._change(made)
        if told:
            self._change("")
        self._held = None if told else wanted
        return told

    @property
    def _name(self) -> str:
        return f"gkelab-{self.lab}"

    def _change(self, made: str) -> str:
        gone = f"delete table netdev {self._name}\n" if self._there else ""
        told = self.load(gone + made) if gone or made else ""
        if not told:
            self._there = bool(made)
        return told


def _chains(routers: Iterable[End], machines: Iterable[End]) -> Iterator[str]:
    """Of each bridge: from machines to the router, and from it to whose MAC address a frame is
    for."""
    behind = list(machines)
    for number, router in enumerate(routers):
        here = [end for end in behind if end.bridge == router.bridge]
        if not here:
            continue
        ports = ", ".join(dict.fromkeys(f'"{end.port}"' for end in here))
        to_router = f'ether type ip ether daddr {router.mac} fwd to "{router.port}"'
        yield _chain(f"to_router_{number}", f"devices = {{ {ports} }}", to_router)
        known = ", ".join(f'{end.mac} : "{end.port}"' for end in here)
        to_machines = f"ether type ip fwd to ether daddr map {{ {known} }}"
        yield _chain(f"from_router_{number}", f'device "{router.port}"', to_machines)


def _chain(name: str, where: str, rule: str) -> str:
    hook = f"type filter hook ingress {where} priority 0; policy accept;"
    return f"chain {name} {{\n{hook}\n{rule}\n}}\n"

"""How the machines of a subnet are joined to the router, and to nothing else: isolated ports of the
bridge, and wires from these to the router's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from gkelab.cloud.machines.plan import ROUTER, Seen
from gkelab.cloud.machines.ports import LIST, Isolation, Port, parse_ports, peers
from gkelab.cloud.machines.wanted import NODE_LABEL, SubnetNetwork, Wanted
from gkelab.cloud.machines.wires import End, Wires
from gkelab.cloud.mirror import State
from gkelab.errors import LabError
from gkelab.ipam import mac_address
from gkelab.shell import Runner
from gkelab.tools.docker import Docker


@dataclass(frozen=True)
class Held:
    """The isolated ports and those with a wire, by container; what could not be done, and why
    packets cross the bridges that could go by wires."""

    isolated: Mapping[str, str]
    wired: Mapping[str, str]
    problems: tuple[str, ...]
    bridged: tuple[str, ...]


@dataclass(frozen=True)
class Links:
    """Keeps them, in the host's network namespace."""

    run: Runner
    docker: Docker
    isolation: Isolation
    wires: Wires
    # What the router said of its interfaces, by its life and the networks that it was on.
    known: dict[tuple[object, ...], dict[int, str]] = field(default_factory=dict)

    def forget(self) -> None:
        """Ask the router anew, and make the wires anew."""
        self.known.clear()
        self.wires.forget()

    def hold(
        self,
        machines: Mapping[Seen, SubnetNetwork],
        others: Iterable[Seen],
        macs: Mapping[str, str],
        open_: Collection[str],
    ) -> Held:
        """Join these machines, whose MAC addresses are known by container, with the router that is
        among the others; the ports of those that are open are not isolated. CommandError when the
        host's bridges cannot be read."""
        ports = parse_ports(self.run(LIST).stdout) if machines else {}
        held, problems = self.isolation.hold(machines, ports, open_)
        isolated = {name: port.name for name, port in held.items() if name not in open_}
        bridges = {network.bridge for network in machines.values()}
        routers: list[End] = []
        bridged: list[str] = []
        for container in others:
            if container.role == ROUTER and container.running and machines:
                try:
                    routers += self._ends(container, ports, bridges)
                except LabError as error:
                    bridged.append(f"no wires to {container.name}: {error.message}")
        ends = {
            name: End(port.bridge, port.name, port.number, macs[name])
            for name, port in held.items()
            if name in macs
        }
        refused = self.wires.hold(routers, ends.values())
        if refused:
            bridged.append(f"packets cross the host's bridges, as there are no wires: {refused}")
        at = {router.bridge: router.port for router in routers} if not bridged else {}
        wired = {name: at[end.bridge] for name, end in ends.items() if end.bridge in at}
        return Held(isolated, wired, tuple(problems), tuple(bridged))

    def _ends(
        self, router: Seen, ports: Mapping[int, Port], bridges: Collection[str]
    ) -> tuple[End, ...]:
        key = (*router.life, *router.networks)
        macs = self.known.get(key) or peers(self.docker, router)
        ends = ((ports[number], mac) for number, mac in macs.items() if number in ports)
        found = tuple(
            End(port.bridge, port.name, port.number, mac)
            for port, mac in ends
            if port.bridge in bridges
        )
        if {end.bridge for end in found} == set(bridges):
            self.known.clear()
            self.known[key] = macs
        return found


def macs_of(state: State | None, made: Wanted) -> dict[str, str]:
    """The MAC addresses by which the router knows machines, by container."""
    found = {machine.container: machine.mac for machine in made.machines.values()}
    for instance in state.all("instances") if state else ():
        if NODE_LABEL in instance.get("labels", {}):
            nic = instance["networkInterfaces"][0]
            found[instance["name"]] = mac_address(IPv4Address(nic["networkIP"]))
    return found

"""The bridge ports of nodes and VMs: isolated, they reach the router's port and the bridge itself,
and each other only through the router, as machines of a VPC do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gkelab.cloud.machines.plan import NODE, VM, Seen
from gkelab.cloud.machines.wanted import NODE_LABEL, SubnetNetwork
from gkelab.errors import LabError
from gkelab.shell import Runner
from gkelab.tools.docker import Docker

# The number of the host's end of a container's interface.
PEER = "/sys/class/net/eth0/iflink"
# That of each interface, and its MAC address.
PEERS = 'cd /sys/class/net && for one in *; do echo "$(cat $one/iflink) $(cat $one/address)"; done'
# An instance's metadata that leaves the port of its node open, so that nodes which have it reach
# each other past the router: the bench's way to measure what the router costs.
OPEN = ("gkelab-direct", "true")
LIST = ("bridge", "-details", "-json", "link", "show")


@dataclass(frozen=True)
class Port:
    """A port of a bridge of the host."""

    name: str
    number: int
    bridge: str
    isolated: bool


def parse_ports(text: str) -> dict[int, Port]:
    """`bridge -details -json link show`: the ports by interface number."""
    return {
        raw["ifindex"]: Port(
            raw["ifname"], raw["ifindex"], raw["master"], bool(raw.get("isolated"))
        )
        for raw in json.loads(text or "[]")
        if "master" in raw
    }


def guarded(
    containers: Iterable[Seen], networks: Iterable[SubnetNetwork]
) -> dict[Seen, SubnetNetwork]:
    """The running nodes and VMs on a subnet, with the subnet."""
    by_name = {network.name: network for network in networks}
    found = {}
    for container in containers:
        if container.running and container.role in (NODE, VM):
            mine = [by_name[name] for name in container.networks if name in by_name]
            if mine:
                found[container] = mine[0]
    return found


def opened(instances: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The nodes whose instances' metadata asks for an open port."""
    return frozenset(
        instance["name"]
        for instance in instances
        if NODE_LABEL in instance.get("labels", {})
        and any(
            (item.get("key"), item.get("value")) == OPEN
            for item in instance.get("metadata", {}).get("items", ())
        )
    )


@dataclass(frozen=True)
class Isolation:
    """Keeps the ports isolated, in the host's network namespace. What the host's end of a
    container's interface is does not change while the container runs, and is asked once."""

    run: Runner
    docker: Docker
    peers: dict[tuple[str, str], int]

    def hold(
        self,
        machines: Mapping[Seen, SubnetNetwork],
        ports: Mapping[int, Port],
        open_: Collection[str] = (),
    ) -> tuple[dict[str, Port], list[str]]:
        """Isolate the machines' ports, all but those of the containers that are to be open; all
        that are as they should be, by container, and what could not be done. `ports` are those of
        the host's bridges, by number."""
        problems = []
        lives = {container.life for container in machines}
        for life in [life for life in self.peers if life not in lives]:
            del self.peers[life]
        held: dict[str, Port] = {}
        for container, network in machines.items():
            wanted = container.name not in open_
            try:
                held[container.name] = self._hold(container, network, ports, wanted)
            except LabError as error:
                problems.append(f"the port of {container.name} is not isolated: {error.message}")
        return held, problems

    def _hold(
        self,
        container: Seen,
        network: SubnetNetwork,
        ports: Mapping[int, Port],
        wanted: bool,
    ) -> Port:
        if container.life not in self.peers:
            self.peers[container.life] = self._peer(container)
        port = ports.get(self.peers[container.life])
        if port is None or port.bridge != network.bridge:
            del self.peers[container.life]
            raise LabError(f"it is not on {network.bridge}, the bridge of {network.name}")
        if port.isolated != wanted:
            state = "on" if wanted else "off"
            self.run(["bridge", "link", "set", "dev", port.name, "isolated", state])
        return port

    def _peer(self, container: Seen) -> int:
        said = self.docker.exec(container.id, ["cat", PEER]).stdout
        try:
            return int(said)
        except ValueError:
            raise LabError(f"{PEER} says {said!r}") from None


def peers(docker: Docker, container: Seen) -> dict[int, str]:
    """The MAC addresses of a container's interfaces, by the numbers of the host's ends of them.
    CommandError when it does not say."""
    said = docker.exec(container.id, ["sh", "-c", PEERS]).stdout
    found = (line.split() for line in said.splitlines())
    return {int(words[0]): words[1] for words in found if len(words) == 2}

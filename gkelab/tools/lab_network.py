"""A lab's docker networks, as whoever makes one does: `up` those that its topology declares, the
machines' program those of subnets that come later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from gkelab.ipam import reserved_addresses
from gkelab.tools.docker import LABEL, ROLE, Docker

MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
SUBNET = "subnet"  # the role of a network that is a subnet of the VPC


@dataclass(frozen=True)
class LabNetwork:
    """A network: its docker name, role and range (None: docker chooses), the bridge's own
    address, and whether docker masquerades what leaves its range by another way."""

    name: str
    role: str
    range: IPv4Network | None
    bridge: IPv4Address | None
    masquerade: bool

    def create(self, docker: Docker, lab: str, labels: Mapping[str, str]) -> None:
        """Make it, with these labels beside the lab's. Raises CommandError when docker refuses."""
        docker.create_network(
            self.name,
            self.range,
            str(self.bridge),
            {LABEL: lab, ROLE: self.role, **labels},
            {MASQUERADE: str(self.masquerade).lower()},
        )


def subnet_network(name: str, primary: IPv4Network, *, masquerade: bool) -> LabNetwork:
    """The network of a subnet: docker's bridge has the second-to-last address, which Google
    reserves, as the router has the first. LabError for a range smaller than /29."""
    bridge = reserved_addresses(primary).second_to_last
    return LabNetwork(name, SUBNET, primary, bridge, masquerade)

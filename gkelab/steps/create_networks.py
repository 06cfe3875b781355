"""The lab's docker networks: one a subnet, one that stands for the internet, and one on which the
lab's own containers reach the cloud; each with the lab's labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.docker import PLAN, SUPPLIER, Network

# Nodes reach registries by docker's masquerading; nothing of the lab's internet leaves the machine.
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


@dataclass(frozen=True)
class _Wanted:
    """A network: its docker name, role and range (None: docker chooses), the bridge's own
    address, and what it is in a sentence."""

    name: str
    role: str
    range: IPv4Network | None
    bridge: IPv4Address | None
    what: str


def create_networks(lab: Lab) -> str:
    """Make the networks that are missing; each carries the lab's plan in a label.

    Raises LabError when a network of that name is not this lab's, or has another range.
    """
    existing = {network.name: network for network in lab.docker.networks()}
    made = 0
    for wanted in _wanted(lab):
        found = existing.get(wanted.name)
        if found is not None:
            _check(lab, wanted, found)
            continue
        lab.docker.create_network(
            wanted.name,
            wanted.range,
            str(wanted.bridge),
            lab.labels(wanted.role)
            | {PLAN: json.dumps(lab.plan.to_dict(), separators=(",", ":"))}
            | {SUPPLIER: lab.supplier.name},
            {MASQUERADE: str(wanted.role != "internet").lower()},
        )
        made += 1
    return f"{made} made" if made else CACHED


def _wanted(lab: Lab) -> Iterator[_Wanted]:
    for subnet in lab.plan.subnets:
        what = f"the subnet {subnet.name} ({subnet.primary})"
        yield _Wanted(subnet.docker_network, "subnet", subnet.primary, subnet.bridge_address, what)
    internet = lab.plan.internet
    if internet:
        what = f"the internet ({internet.range})"
        yield _Wanted(
            internet.docker_network, "internet", internet.range, internet.bridge_address, what
        )
    what = "the management network"
    yield _Wanted(lab.plan.management_network, "management", None, None, what)


def _check(lab: Lab, wanted: _Wanted, found: Network) -> None:
    ours = lab.labels(wanted.role).items() <= dict(found.labels).items()
    if not ours or (wanted.range and wanted.range not in found.subnets):
        ranges = ", ".join(str(network) for network in found.subnets)
        raise LabError(
            f"The docker network {found.name} ({ranges}) is not {wanted.what} of lab {lab.name}",
            "remove it, or give the lab another name",
        )

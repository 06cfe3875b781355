"""The lab's docker networks: one a subnet, one that stands for the internet, and one on which the
lab's own containers reach the cloud; each with the lab's labels."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.docker import PLAN, SUPPLIER, Network
from gkelab.tools.lab_network import LabNetwork, subnet_network


def create_networks(lab: Lab) -> str:
    """Make the networks that are missing; each carries the lab's plan in a label.

    Raises LabError when a network of that name is not this lab's, or has another range.
    """
    existing = {network.name: network for network in lab.docker.networks()}
    plan = json.dumps(lab.plan.to_dict(), separators=(",", ":"))
    made = 0
    for wanted, what in _wanted(lab):
        found = existing.get(wanted.name)
        if found is not None:
            _check(lab, wanted, what, found)
            continue
        wanted.create(lab.docker, lab.name, {PLAN: plan, SUPPLIER: lab.supplier.name})
        made += 1
    return f"{made} made" if made else CACHED


def _wanted(lab: Lab) -> Iterator[tuple[LabNetwork, str]]:
    """The networks, with what each is in a sentence."""
    for subnet in lab.plan.subnets:
        # Nodes reach registries by docker's masquerading.
        network = subnet_network(subnet.docker_network, subnet.primary, masquerade=True)
        yield network, f"the subnet {subnet.name} ({subnet.primary})"
    internet = lab.plan.internet
    if internet:
        # Nothing of the lab's internet leaves the machine.
        name, bridge = internet.docker_network, internet.bridge_address
        network = LabNetwork(name, "internet", internet.range, bridge, masquerade=False)
        yield network, f"the internet ({internet.range})"
    name = lab.plan.management_network
    network = LabNetwork(name, "management", None, None, masquerade=True)
    yield network, "the management network"


def _check(lab: Lab, wanted: LabNetwork, what: str, found: Network) -> None:
    ours = lab.labels(wanted.role).items() <= dict(found.labels).items()
    if not ours or (wanted.range and wanted.range not in found.subnets):
        ranges = ", ".join(str(network) for network in found.subnets)
        raise LabError(
            f"The docker network {found.name} ({ranges}) is not {what} of lab {lab.name}",
            "remove it, or give the lab another name",
        )

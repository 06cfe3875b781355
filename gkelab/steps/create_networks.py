"""One docker network a subnet, with the subnet's primary range and the lab's labels."""

from __future__ import annotations

import json

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.docker import PLAN, SUPPLIER, Network
from gkelab.topology import Subnet


def create_networks(lab: Lab) -> str:
    """Make the networks that are missing; each carries the lab's plan in a label.

    Raises LabError when a network of that name is not this lab's, or has another range.
    """
    existing = {network.name: network for network in lab.docker.networks()}
    made = 0
    for subnet in lab.plan.subnets:
        found = existing.get(subnet.docker_network)
        if found is not None:
            _check(lab, subnet, found)
            continue
        lab.docker.create_network(
            subnet.docker_network,
            subnet.primary,
            str(subnet.bridge_address),
            lab.labels("subnet")
            | {PLAN: json.dumps(lab.plan.to_dict(), separators=(",", ":"))}
            | {SUPPLIER: lab.supplier.name},
            # A VPC's packets keep their addresses: docker masquerades only what its bridge
            # sends out of the machine, and none of the lab's ranges may go there.
            {"com.docker.network.bridge.enable_ip_masquerade": "true"},
        )
        made += 1
    return f"{made} made" if made else CACHED


def _check(lab: Lab, subnet: Subnet, found: Network) -> None:
    ours = lab.labels("subnet").items() <= dict(found.labels).items()
    if not ours or subnet.primary not in found.subnets:
        ranges = ", ".join(str(network) for network in found.subnets)
        raise LabError(
            f"The docker network {found.name} ({ranges}) is not the subnet {subnet.name}"
            f" ({subnet.primary}) of lab {lab.name}",
            "remove it, or give the lab another name",
        )

"""What the host itself has of a lab: unreachable routes under every made-up range, so that what
no better route knows goes nowhere, instead of out of the machine (nodes and clients get theirs
where they are made); and that packets from one subnet to the next keep their source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.iptables import Iptables


def hold_on_host(lab: Lab) -> str:
    """Put the routes on the host; the external pool is on-link, so that the host, too, reaches
    the lab's load balancers. Where there are several subnets, have it leave their packets alone."""
    made_up = lab.plan.made_up_ranges()
    present = {route.destination for route in lab.ip.routes() if route.kind == "unreachable"}
    missing = [network for network in made_up if network not in present]
    lab.ip.unreachable(missing)
    bridges = {network.name: network.bridge for network in lab.docker.networks()}
    routes = {(route.destination, route.device) for route in lab.ip.routes()}
    for cluster in lab.plan.clusters:
        bridge = bridges[cluster.subnet.docker_network]
        if (cluster.external_pool, bridge) not in routes:
            lab.ip.on_link(cluster.external_pool, bridge)
    if len(lab.plan.subnets) > 1:
        Iptables(lab.run).leave_alone(lab.name, _between(lab, bridges))
    return f"{len(missing)} ranges" if missing else CACHED


def _between(lab: Lab, bridges: Mapping[str, str]) -> Iterator[tuple[str, IPv4Network]]:
    """What the router brings to each subnet's bridge out of the others."""
    for subnet in lab.plan.subnets:
        others = (other.primary for other in lab.plan.subnets if other is not subnet)
        yield from ((bridges[subnet.docker_network], source) for source in others)

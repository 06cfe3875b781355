"""Unreachable routes under every made-up range on the host: what no better route knows goes
nowhere, instead of out of the machine. (Nodes and clients get theirs where they are made.)"""

from __future__ import annotations

from gkelab.graph import CACHED
from gkelab.lab import Lab


def hold_on_host(lab: Lab) -> str:
    """Put the routes on the host; the external pool is on-link, so that the host, too, reaches
    the lab's load balancers."""
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
    return f"{len(missing)} ranges" if missing else CACHED

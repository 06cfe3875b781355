"""What the host itself has of a lab: unreachable routes under every made-up range, so that what
no better route knows goes nowhere, instead of out of the machine (nodes and clients get theirs
where they are made); and that packets from one subnet to the next keep their source."""

from __future__ import annotations

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.tools.iptables import Iptables


def hold_on_host(lab: Lab) -> str:
    """Put the routes on the host; the external pool is on-link, so that the host, too, reaches
    the lab's load balancers. Have it leave alone what the router takes from subnet to subnet."""
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
    own = [(bridges[subnet.docker_network], subnet.primary) for subnet in lab.plan.subnets]
    done = [f"{len(missing)} ranges"] if missing else []
    try:
        Iptables(lab.run).leave_alone(lab.name, own)
    except CommandError as bad:
        # One subnet has nobody to send to yet.
        if len(own) > 1:
            raise
        done.append(f"a subnet made later may see the host's address: {bad.message}")
    return "; ".join(done) or CACHED

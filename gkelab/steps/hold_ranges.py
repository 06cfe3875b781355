"""Unreachable routes under every made-up range, on the host and in each node and client: what
no better route knows goes nowhere, instead of out of the machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.iproute import unreachable_words
from gkelab.topology import Cluster

BATCH = "/etc/gkelab/unreachable.routes"
UNIT = "/etc/systemd/system/gkelab-unreachable.service"
# A node's routes go with its network namespace when it stops; its unit puts them back.
UNIT_TEXT = f"""[Unit]
Description=unreachable routes under the lab's made-up ranges
Before=containerd.service kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip -batch {BATCH}
[Install]
WantedBy=multi-user.target
"""


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


def hold_in_nodes(lab: Lab, cluster: Cluster) -> str:
    """Put the routes into every node of a cluster, now and at each of its starts."""
    routes = "".join(
        f"route replace {' '.join(unreachable_words(network))}\n"
        for network in lab.plan.held_inside()
    )

    def hold(node: str) -> bool:
        have = lab.docker.exec(node, ["cat", BATCH], check=False)
        if have.code == 0 and have.stdout == routes:
            return False
        lab.docker.exec(node, ["mkdir", "-p", "/etc/gkelab"])
        lab.docker.exec(node, ["tee", BATCH], input=routes)
        lab.docker.exec(node, ["tee", UNIT], input=UNIT_TEXT)
        lab.docker.exec(node, ["systemctl", "enable", "--now", "gkelab-unreachable.service"])
        return True

    with ThreadPoolExecutor() as pool:
        changed = sum(pool.map(hold, [node.name for node in cluster.nodes]))
    return f"{changed} nodes" if changed else CACHED

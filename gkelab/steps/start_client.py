"""A client outside the clusters: a container on the subnet's network that is no node."""

from __future__ import annotations

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.supply.archive import give_docker
from gkelab.tools.docker import LABEL
from gkelab.tools.iproute import unreachable_batch
from gkelab.topology import Subnet


def client_name(lab: Lab, subnet: Subnet) -> str:
    """The client's container name."""
    return f"{lab.name}-client-{subnet.name}"


def start_clients(lab: Lab) -> str:
    """One client a subnet. It reaches external load balancers on its link, and nothing else of
    the lab's ranges, as a machine on the internet would.

    Raises LabError when a container of a client's name is not this lab's.
    """
    made = [subnet.name for subnet in lab.plan.subnets if _start(lab, subnet)]
    return ", ".join(made) or CACHED


def _start(lab: Lab, subnet: Subnet) -> bool:
    name = client_name(lab, subnet)
    reference = lab.supplier.reference("workload")
    found = lab.docker.container(name)
    if found is not None and found.labels.get(LABEL) != lab.name:
        raise LabError(
            f"The container {name} is not this lab's",
            f"remove it (docker rm --force {name}) or rename yours",
        )
    running = False
    ids = give_docker(lab.docker, lab.supplier, "workload")
    if found is not None and found.image_id in ids:
        running = found.state == "running"
        lab.docker.start([] if running else [name])
    else:
        lab.docker.remove_containers([found.id] if found else [])
        labels = [f"--label={key}={value}" for key, value in lab.labels("client").items()]
        network = [f"--network={subnet.docker_network}", f"--ip={subnet.lab_address(0)}"]
        argv = ["docker", "run", "--detach", f"--name={name}", f"--hostname={name}", *network]
        argv += ["--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--restart=on-failure:1"]
        lab.run([*argv, "--init", *labels, reference, "serve", "--http", "8080", "80"])
    # A running one may have started anew, or its `up` may have been killed: it has no routes then.
    _route(lab, subnet, name)
    return not running


def _route(lab: Lab, subnet: Subnet, name: str) -> None:
    batch = unreachable_batch(lab.plan.held_inside())
    batch += "".join(
        f"route replace {cluster.external_pool} dev eth0 scope link\n"
        for cluster in lab.plan.clusters
        if cluster.subnet == subnet
    )
    lab.docker.exec(name, ["ip", "-batch", "-"], input=batch)

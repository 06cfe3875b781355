"""What makes VMs and subnets that come after `up` real, as containers and docker networks, and
keeps the subnets' machines apart."""

from __future__ import annotations

from gkelab.cloud.place import recorded
from gkelab.containers import HOST, STATUS, Wanted, have_running, look, name_of
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.supply.archive import give_docker

SOCKET = "/var/run/docker.sock"
# What a VM runs: the sample server, at a port beside the usual one, too.
SERVES = "workload serve --http 8080 80"


def start_machines(lab: Lab) -> str:
    """Have it run; VMs come up while other things do. LabError when the container is somebody
    else's."""
    found = look(lab, name_of(lab, "machines"))
    give_docker(lab.docker, lab.supplier, "workload")
    return "" if have_running(lab, machines_container(lab), found) else CACHED


def machines_container(lab: Lab) -> Wanted:
    """The container: beside docker's socket it has the host's network, of whose bridges it
    isolates ports, and where it holds the ranges of subnets made later."""
    ranges = sorted({*lab.plan.routed_ranges(), *lab.plan.held_inside()})
    command = ["python3", "-m", "gkelab.cloud.machines"]
    command += [f"--cloud={recorded(lab.cloud_file).endpoint}", f"--lab={lab.name}"]
    command += [f"--image={lab.supplier.reference('workload')}", f"--command={SERVES}"]
    command += [f"--range={network}" for network in ranges]
    subnets = lab.plan.subnets
    command += [f"--declared=regions/{one.region}/subnetworks/{one.name}" for one in subnets]
    return Wanted(
        name=name_of(lab, "machines"),
        role="machines",
        image="cloud",
        network=HOST,
        arguments=(
            *("--cap-add=NET_ADMIN", f"--volume={SOCKET}:{SOCKET}"),
            "--restart=unless-stopped",
        ),
        command=(*command, f"--status={STATUS}"),
    )

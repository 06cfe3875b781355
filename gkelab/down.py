"""`down`, `stop` and `start`: by docker's labels alone, whoever made the lab."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from gkelab.errors import LabError, of_os
from gkelab.find import Found
from gkelab.kubeconfig import remove_from_kubeconfig
from gkelab.paths import Paths
from gkelab.shell import CommandError, Runner
from gkelab.supply.imagestore import FILLS
from gkelab.tools.docker import LABEL, ROLE, Docker
from gkelab.tools.iproute import IpRoute
from gkelab.tools.iptables import Iptables
from gkelab.tools.kind import context
from gkelab.tools.nft import Nft

Say = Callable[[str], None]
MACHINES = "machines"  # the role of the container that starts VMs, and has them run


def down(
    found: Found,
    paths: Paths,
    run: Runner,
    say: Say,
    *,
    merged: Path | None,
    others: Sequence[Found] = (),
) -> None:
    """Remove a lab: its containers, volumes, networks, routes, images for containers, and
    kubeconfig.

    The build cache stays. `merged` is the person's own kubeconfig, from which the lab's entries
    are taken if they are there; `others` are the labs that stay, and so do their routes. Safe to
    run again after an interruption: the networks, by which a lab is found, go last.
    """
    docker = Docker(run)
    # First what would start VMs again; told to stop, it takes its wires away.
    starters = docker.containers({LABEL: found.name, ROLE: MACHINES})
    docker.stop([one.id for one in starters if one.state == "running"], grace=5)
    docker.remove_containers([container.id for container in starters])
    rest = docker.containers({LABEL: found.name})
    docker.remove_containers([container.id for container in rest])
    containers = [*starters, *rest]
    volumes = docker.volumes({LABEL: found.name})
    docker.remove_volumes(volumes)
    kept = f" and {len(volumes)} volumes" if volumes else ""
    say(f"removed {len(containers)} containers{kept}")
    leftovers = docker.containers({FILLS: None})  # of an `up` that was killed
    docker.remove_containers([container.id for container in leftovers])
    ip = IpRoute(run)
    ranges = [*found.plan.made_up_ranges(), *(c.external_pool for c in found.plan.clusters)]
    held = {network for other in others for network in other.plan.made_up_ranges()}
    # Subnets that came later have ranges of which no plan tells; where they are another lab's, its
    # machines' program puts the routes back within half a minute.
    ip.remove_own([network for network in ranges if network not in held], held=held)
    Iptables(run).leave_alone(found.name, ())
    # Of a machines' program that was killed; a host without `nft` keeps chains without interfaces.
    Nft(run).remove(found.name)
    for image in sorted({c.image for c in containers if c.image.startswith("gkelab/")}):
        if docker.has_image(image) and not others:
            try:
                docker.remove_image(image)
            except CommandError:  # somebody else's container runs it, and keeps it
                say(f"left the image {image}, which is in use")
    if merged is not None:
        _leave_kubeconfig(merged, [context(c.name) for c in found.plan.clusters], say)
    shutil.rmtree(paths.lab(found.name), ignore_errors=True)
    networks = docker.networks({LABEL: found.name})
    docker.remove_networks([network.id for network in networks])
    say(f"removed {len(networks)} networks and the host's routes to the lab")


def _leave_kubeconfig(merged: Path, contexts: Sequence[str], say: Say) -> None:
    """A kubeconfig that is broken or may not be written is no reason for the lab to stay."""
    try:
        remove_from_kubeconfig(merged, contexts)
    except OSError as bad:
        say(f"left {merged} as it is: {of_os(bad)}")
    except LabError as bad:
        say(f"left {merged} as it is: {bad}")


def stop(found: Found, run: Runner, say: Say) -> None:
    """Stop a lab's containers; everything in them is kept."""
    docker = Docker(run)
    stopped = 0
    # First what would start VMs again.
    for labels in ({LABEL: found.name, ROLE: MACHINES}, {LABEL: found.name}):
        running = [c for c in docker.containers(labels) if c.state == "running"]
        docker.stop([container.name for container in running])
        stopped += len(running)
    say(f"stopped {stopped} containers; `invoke start` or `invoke up` brings them back")

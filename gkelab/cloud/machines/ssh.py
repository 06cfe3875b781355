"""`invoke ssh`: which container a machine's name means, and how one gets into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gkelab.cloud.machines.plan import NODE, VM
from gkelab.cloud.machines.wanted import INSTANCE
from gkelab.errors import LabError
from gkelab.tools.docker import LABEL, ROLE, Container

SHELL = ("bash", "--login")


def find(containers: Iterable[Container], lab: str, name: str) -> Container:
    """The running container of a VM or a node, by the instance's name, or by NAME.ZONE.

    Raises LabError when there is none of that name, there are several, or it is stopped.
    """
    own = [
        container
        for container in containers
        if container.labels.get(LABEL) == lab and container.labels.get(ROLE) in (VM, NODE)
    ]
    alike = sorted(_full(c) for c in own if _instance(c) == name)
    if len(alike) > 1:
        raise LabError(f"{name} may be {' or '.join(alike)}", "say which of them")
    machines = {called: c for c in own for called in (_instance(c), _full(c))}
    if name not in machines:
        known = ", ".join(sorted({_instance(c) for c in own})) or "none"
        raise LabError(
            f"There is no machine {name} in lab {lab}",
            f"name one of: {known}"
            if machines
            else "make one: invoke gcloud -- compute instances create NAME",
        )
    found = machines[name]
    if found.state != "running":
        raise LabError(
            f"The machine {name} does not run (its container is {found.state})",
            f"start it: invoke gcloud -- compute instances start {name}"
            if found.labels.get(ROLE) == VM
            else "run: invoke up",
        )
    return found


def argv(container: Container, words: Sequence[str], *, terminal: bool) -> list[str]:
    """The command that runs words in a machine, or a shell without any; `terminal` says whether a
    person is at it."""
    flags = ["--interactive", *(["--tty"] if terminal else [])]
    return ["docker", "exec", *flags, container.id, *(words or SHELL)]


def _instance(container: Container) -> str:
    return container.labels.get(INSTANCE, container.name).rpartition("/")[2]


def _full(container: Container) -> str:
    """A VM's name and zone, as of zones/ZONE/instances/NAME; a node's name."""
    zone, _, name = container.labels.get(INSTANCE, container.name).rpartition("/instances/")
    return f"{name}.{zone.rpartition('/')[2]}" if zone else name

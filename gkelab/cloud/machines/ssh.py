"""`invoke ssh`: which container a machine's name means, and how one gets into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gkelab.cloud.machines.plan import NODE, VM
from gkelab.cloud.machines.wanted import INSTANCE
from gkelab.errors import LabError
from gkelab.tools.docker import LABEL, ROLE, Container

SHELL = ("bash", "--login")


def find(containers: Iterable[Container], lab: str, name: str) -> Container:
    """The running container of a VM or a node, by the instance's name.

    Raises LabError when there is none of that name, or it is stopped.
    """
    machines = {
        _instance(container): container
        for container in containers
        if container.labels.get(LABEL) == lab and container.labels.get(ROLE) in (VM, NODE)
    }
    if name not in machines:
        known = ", ".join(sorted(machines)) or "none"
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

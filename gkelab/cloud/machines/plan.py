"""From the machines that should be and the containers that are to what must be done: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from gkelab.cloud.machines.wanted import INSTANCE, NUMBER, SPEC, Machine, Wanted
from gkelab.tools.docker import ROLE

VM, NODE, ROUTER = "vm", "node", "router"
Verb = Literal["remove", "stop", "create", "start", "restart", "unpause"]


@dataclass(frozen=True)
class Seen:
    """A container of the lab as docker tells of it. `started` is when it was last started
    (RFC 3339); `networks` are the names of its docker networks."""

    id: str
    name: str
    state: str
    started: str
    labels: Mapping[str, str] = field(hash=False)
    networks: tuple[str, ...]

    @property
    def role(self) -> str:
        """What it is in the lab: node, vm, ..."""
        return self.labels.get(ROLE, "")

    @property
    def running(self) -> bool:
        """Whether its processes run."""
        return self.state == "running"

    @property
    def life(self) -> tuple[str, str]:
        """What is another once the container was started anew."""
        return self.id, self.started


@dataclass(frozen=True)
class Action:
    """What to do with a container; `machine` is None for one that no machine is left of."""

    verb: Verb
    container: str
    why: str
    machine: Machine | None = None


def seen(raw: Mapping[str, Any]) -> Seen:
    """A container from what `docker inspect` says of it."""
    return Seen(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        state=raw["State"]["Status"],
        started=raw["State"].get("StartedAt", ""),
        labels=raw["Config"].get("Labels") or {},
        networks=tuple(sorted(raw["NetworkSettings"].get("Networks") or {})),
    )


def plan(wanted: Wanted, containers: Iterable[Seen], foreign: Iterable[str], image: str) -> Plan:
    """What makes the lab's VMs as they should be, in order: what goes, goes first, as its address
    may be another's already.

    `containers` are the lab's own. `foreign` are the names of containers that somebody else has:
    those are told of and left alone.
    """
    theirs = set(foreign)
    left = {c.name: c for c in containers}
    actions: list[Action] = []
    left_out = list(wanted.left_out)
    for container in left.values():
        if container.role == VM and container.name not in wanted.machines:
            actions.append(Action("remove", container.name, "no instance is left of it"))
    for name, machine in wanted.machines.items():
        there = left.get(name)
        if name in theirs or (there and there.role != VM):
            left_out.append(
                f"{machine.instance}: the container {name} is not the lab's VM; remove it"
                f" (docker rm --force {name}) or rename yours"
            )
        else:
            actions.extend(_of_one(machine, there, image))
    order = ("remove", "stop", "create", "start", "restart", "unpause")
    return Plan(tuple(sorted(actions, key=lambda a: order.index(a.verb))), tuple(left_out))


@dataclass(frozen=True)
class Plan:
    """What to do, and what cannot be done, a sentence each."""

    actions: tuple[Action, ...]
    left_out: tuple[str, ...]


def _of_one(machine: Machine, container: Seen | None, image: str) -> Iterator[Action]:
    name = machine.container
    if container is None:
        if machine.running:
            yield Action("create", name, "it is not there", machine)
        return
    if why := _wrong(machine, container, image):
        yield Action("remove", name, why)
        if machine.running:
            yield Action("create", name, why, machine)
    elif not machine.running:
        if container.state in ("running", "paused", "restarting"):
            yield Action("stop", name, "the instance is stopped", machine)
    elif container.state == "paused":
        yield Action("unpause", name, "it is paused", machine)
    elif container.state == "exited":
        yield Action("start", name, "it does not run", machine)
    elif container.running and _moment(container.started) < _moment(machine.started):
        yield Action("restart", name, "the instance was started anew", machine)


def _wrong(machine: Machine, container: Seen, image: str) -> str:
    """Why a container cannot become the machine; "" if it can."""
    labels = container.labels
    if (labels.get(INSTANCE), labels.get(NUMBER)) != (machine.instance, machine.number):
        return "it was another instance's"
    if labels.get(SPEC) != machine.spec(image):
        return "it was started with other settings"
    if container.state in ("created", "dead", "removing"):
        return f"it is {container.state}"
    return ""


def _moment(text: str) -> datetime:
    """A moment of RFC 3339; docker writes nanoseconds, of which Python reads microseconds."""
    whole, dot, rest = text.partition(".")
    digits = rest.rstrip("Z").partition("+")[0]
    zone = rest[len(digits) :] or "Z"
    moment = f"{whole}.{digits[:6]:0<6}{zone}" if dot else text
    try:
        return datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return datetime.fromisoformat("0001-01-01T00:00:00+00:00")

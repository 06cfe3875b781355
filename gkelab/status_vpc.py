"""What a lab's VPC is doing: the cloud, the router, the machines and their controllers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.containers import name_of, told
from gkelab.errors import LabError
from gkelab.lab import Lab

# The lab's own containers that every lab has, by role; those that tell how they are.
ROLES = ("cloud", "router", "machines", "controllers")
TELLING = ROLES[1:]


@dataclass(frozen=True)
class VmStatus:
    """A VM: its container's state, and its addresses."""

    name: str
    zone: str
    state: str
    address: str
    alias_ranges: tuple[str, ...]


@dataclass(frozen=True)
class VpcStatus:
    """The VPC. `endpoint` is the Compute API's, "" where it does not answer; `generation` is that
    of the cloud's state and `applied` the router's, None where they do not tell; `repairs` is how
    often the router found itself other than it should be. `left_out` is what a person wrote into
    the cloud and nothing here makes real, a sentence each; `bridged` why packets take the slower
    way over the host's bridges, if they do; `problems` are of the lab itself."""

    endpoint: str
    generation: int | None
    applied: int | None
    repairs: int
    vms: tuple[VmStatus, ...]
    left_out: tuple[str, ...]
    bridged: tuple[str, ...]
    problems: tuple[str, ...]


def vpc_status(lab: Lab, states: Mapping[str, str]) -> VpcStatus:
    """Look at it; `states` are those of the lab's containers, by name."""
    roles = [*ROLES, *(["client"] if lab.plan.internet else [])]
    names = {role: name_of(lab, role) for role in roles}
    problems = [
        f"{name} is {states.get(name, 'not there')}"
        for name in names.values()
        if states.get(name) != "running"
    ]
    running = {role for role, name in names.items() if states.get(name) == "running"}
    endpoint, generation = "", None
    if "cloud" in running:
        try:
            place = recorded(lab.cloud_file)
            generation = RestCloud(place.endpoint, place.project).generation()
            endpoint = place.endpoint
        except LabError as error:
            problems.append(error.message)
    said: dict[str, Mapping[str, Any]] = {}
    left_out: list[str] = []
    for role in (role for role in TELLING if role in running):
        try:
            said[role] = told(lab, role)
        except LabError as error:
            problems.append(error.message)
        else:
            problems += (f"{names[role]}: {problem}" for problem in _problems(said[role]))
            left_out += said[role].get("left_out", ())
    problems += _not_real(lab, said)
    router = said.get("router", {})
    vms = tuple(_vms(said.get("machines", {})))
    return VpcStatus(
        endpoint=endpoint,
        generation=generation,
        applied=router.get("generation"),
        repairs=len(router.get("repairs", ())),
        vms=vms,
        left_out=tuple(left_out),
        bridged=tuple(said.get("machines", {}).get("bridged", ())),
        problems=tuple(problems),
    )


def draw_vpc(vpc: VpcStatus, console: Console) -> None:
    """A few lines."""
    console.print(f"cloud    {vpc.endpoint or 'does not answer'}", highlight=False)
    if vpc.applied is not None:
        behind = "" if vpc.generation in (None, vpc.applied) else f" of {vpc.generation}"
        repaired = f", repaired itself {vpc.repairs} times" if vpc.repairs else ""
        applied = f"router   has applied generation {vpc.applied}{behind}{repaired}"
        console.print(applied, highlight=False)
    for vm in vpc.vms:
        aliases = f" {' '.join(vm.alias_ranges)}" if vm.alias_ranges else ""
        line = f"VM       {vm.name} {vm.address}{aliases} ({vm.zone}): {vm.state}"
        console.print(line, highlight=False)
    for sentence in vpc.left_out:
        console.print(f"not real {sentence}", highlight=False)
    for sentence in vpc.bridged:
        console.print(f"slower   {sentence}", highlight=False)


def _not_real(lab: Lab, said: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What of the lab's own plan is not: the rest is a person's."""
    if "router" in said:
        interfaces = said["router"].get("interfaces", {})
        for subnet in lab.plan.subnets:
            if not interfaces.get(subnet.name):
                yield f"{name_of(lab, 'router')} has no interface in subnet {subnet.name}"
    if "machines" in said:
        machines = said["machines"].get("machines", {})
        for vm in lab.plan.vms:
            link = f"zones/{vm.zone}/instances/{vm.name}"
            # Who stopped or deleted one by the cloud meant it.
            if machines.get(link, {"state": "running"})["state"] == "absent":
                yield f"VM {vm.name} has no container"


def _problems(said: Mapping[str, Any]) -> Iterator[str]:
    """What the container itself says is wrong; of controllers, by cluster."""
    yield from said.get("problems", ())
    for cluster, about in said.get("clusters", {}).items():
        yield from (f"cluster {cluster}: {problem}" for problem in about.get("problems", ()))


def _vms(said: Mapping[str, Any]) -> Iterator[VmStatus]:
    for link, machine in said.get("machines", {}).items():
        _, zone, _, name = link.split("/")
        yield VmStatus(
            name=name,
            zone=zone,
            state=machine["state"],
            address=machine["address"],
            alias_ranges=tuple(machine.get("aliases", ())),
        )

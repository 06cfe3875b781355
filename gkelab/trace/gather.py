"""What a trace asks the lab beforehand: docker, the clusters, the cloud, the router."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from gkelab.cloud.machines.wanted import INSTANCE
from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.cloud.router.__main__ import settings_of, state_file
from gkelab.cloud.router.compile import spoof_counter
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.listing import parse_listing
from gkelab.cloud.router.reading import STOPPED, read
from gkelab.cloud.router.ruleset import FAMILY, TABLE
from gkelab.containers import name_of, told
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.tools.docker import LABEL
from gkelab.trace.verdict import spoofed
from gkelab.trace.world import Machine, Object, World, machines, pods, services

KINDS = "pods,services,endpointslices.discovery.k8s.io"


@dataclass(frozen=True)
class Gathered:
    """The lab as it is: who there is, what the router goes by, its interface towards the
    internet, and the running containers' processes, as the host numbers them."""

    world: World
    fabric: Fabric
    router: str
    internet: str | None
    pids: Mapping[str, int]
    notes: tuple[str, ...]


def gather(lab: Lab) -> Gathered:
    """Ask. LabError where the lab, or its router, does not run. A cluster that does not answer
    is noted: VMs have no need of it."""
    containers = {raw["Name"].lstrip("/"): raw for raw in lab.docker.labelled({LABEL: lab.name})}
    pids = {
        name: raw["State"]["Pid"] for name, raw in containers.items() if raw["State"]["Running"]
    }
    if not pids:
        raise LabError(f"Lab {lab.name} does not run", "run: invoke start")
    router = name_of(lab, "router")
    if router not in pids:
        raise LabError(f"{router} does not run, and no packet passes without it", "run: invoke up")
    words = containers[router]["Config"]["Cmd"]
    state, notes = _state(lab, router, words)
    fabric, _ = read(state, settings_of(words))
    said = told(lab, "router")
    if said.get("generation") != fabric.generation:
        applied = f"generation {said.get('generation')} of {fabric.generation}"
        notes.append(f"the router has applied {applied} of the cloud's state")
    vms = {
        labels[INSTANCE]: name
        for name, raw in containers.items()
        if INSTANCE in (labels := raw["Config"]["Labels"] or {})
    }
    world = _clusters(lab, [*machines(fabric, state, vms), *_client(lab, pids)])
    bodies = state.get("resources", {}).get("instances", ())
    stopped = tuple(body["name"] for body in bodies if body.get("status") in STOPPED)
    world = replace(world, stopped=stopped)
    notes += [f"the API server of {name} does not answer" for name in world.silent]
    return Gathered(world, fabric, router, said["interfaces"]["internet"], pids, tuple(notes))


def counters(lab: Lab, router: str, fabric: Fabric) -> dict[str, int]:
    """The packets that the router has counted so far, by counter; what an instance spoofs, by
    its name. Raises CommandError."""
    argv = ["nft", "--json", "list", "counters", "table", FAMILY, TABLE]
    said = lab.docker.exec(router, argv, timeout=lab.timeouts.container)
    names = {spoof_counter(nic): spoofed(nic.instance) for nic in fabric.nics}
    found = parse_listing(said.stdout).counters
    return {names.get(name, name): packets for name, (packets, _) in found.items()}


def _state(lab: Lab, router: str, words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The cloud's state; while the cloud is away, what the router last knew of it."""
    try:
        place = recorded(lab.cloud_file)
        return RestCloud(place.endpoint, place.project).state(), []
    except LabError as away:
        argv = ["cat", str(state_file(words))]
        said = lab.docker.exec(router, argv, timeout=lab.timeouts.container)
        note = f"{away.message}, so what the router last knew of it counts"
        return dict(json.loads(said.stdout)), [note]


def _client(lab: Lab, pids: Mapping[str, int]) -> list[Machine]:
    name, internet = name_of(lab, "client"), lab.plan.internet
    if internet is None or name not in pids:
        return []
    return [Machine("client", "client", name, str(internet.client))]


def _clusters(lab: Lab, found: list[Machine]) -> World:
    names = [cluster.name for cluster in lab.plan.clusters]

    def ask(name: str) -> list[Object] | None:
        try:
            return list(lab.kubectl(name).list(KINDS, timeout=lab.timeouts.kubectl))
        except LabError:
            return None

    with ThreadPoolExecutor() as pool:
        answers = dict(zip(names, pool.map(ask, names), strict=True))
    known = {name: listed for name, listed in answers.items() if listed is not None}
    return World(
        machines=tuple(found),
        pods=tuple(pod for name, listed in known.items() for pod in pods(name, listed)),
        services=tuple(s for name, listed in known.items() for s in services(name, listed)),
        clusters=tuple(names),
        silent=tuple(name for name in names if name not in known),
    )

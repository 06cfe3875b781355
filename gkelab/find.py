"""Finds labs, and what else uses addresses, from docker's labels and the host's routes alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gkelab.errors import LabError
from gkelab.host.uses import host_claims
from gkelab.ipam import HEALTH_CHECK_RANGES
from gkelab.shell import Runner
from gkelab.supply.pins import SupplierName
from gkelab.tools.docker import AWAY, LABEL, NODE, PLAN, ROLE, SUBNETWORK, SUPPLIER, Docker, Network
from gkelab.tools.iproute import PROTOCOL, IpRoute
from gkelab.topology import (
    Added,
    Claim,
    ResolvedTopology,
    away_node,
    load,
    resolve,
    with_nodes,
)


@dataclass(frozen=True)
class Found:
    """A lab that exists on this machine, whoever made it and whether it runs or not."""

    name: str
    plan: ResolvedTopology
    supplier: SupplierName


def find_labs(docker: Docker) -> list[Found]:
    """The labs on this machine, by name. Networks are made first and removed last, so a lab
    with anything left has one; its label holds the plan. The nodes are those that there are by
    now: containers tell of those that were added, volumes of those that are away."""
    labs: dict[str, Found] = {}
    for network in docker.networks({LABEL: None}):
        if PLAN in network.labels:
            plan = ResolvedTopology.from_dict(json.loads(network.labels[PLAN]))
            supplier: SupplierName = (
                "upstream" if network.labels.get(SUPPLIER) == "upstream" else "built"
            )
            labs[network.labels[LABEL]] = Found(network.labels[LABEL], plan, supplier)
    return _by_now(docker, [labs[name] for name in sorted(labs)]) if labs else []


def _by_now(docker: Docker, labs: Sequence[Found]) -> list[Found]:
    added: dict[str, list[Added]] = {}
    for container in docker.containers({LABEL: None, NODE: None}):
        one = Added.parse(container.name, container.labels[NODE])
        added.setdefault(container.labels[LABEL], []).append(one)
    away: dict[str, set[str]] = {}
    for volume in docker.volumes({LABEL: None, AWAY: None}):
        told = away_node(volume)
        if told:
            away.setdefault(told[0], set()).add(told[1])
    return [
        replace(
            lab, plan=with_nodes(lab.plan, added.get(lab.name, ()), away.get(lab.name, frozenset()))
        )
        for lab in labs
    ]


def the_lab(labs: Sequence[Found], name: str | None) -> Found:
    """The lab of that name, or the only one. Raises LabError when there is none, or several."""
    if name:
        for lab in labs:
            if lab.name == name:
                return lab
        raise LabError(f"There is no lab {name} on this machine", "bring one up: invoke up")
    if not labs:
        raise LabError("There is no lab on this machine", "bring one up: invoke up")
    if len(labs) > 1:
        names = ", ".join(lab.name for lab in labs)
        raise LabError(f"There are several labs on this machine: {names}", "name one: --lab NAME")
    return labs[0]


def claims(networks: Sequence[Network], ip: IpRoute) -> list[Claim]:
    """The networks that others on this host use: docker networks, and routes, of no lab; and what
    labs that are here have beside their plans."""
    own = {network.bridge for network in networks if LABEL in network.labels}
    taken = [
        Claim(subnet, f"docker network {network.name}")
        for network in networks
        # Of a lab's networks these have ranges that no plan tells of.
        if LABEL not in network.labels
        or network.labels.get(ROLE) == "management"
        or SUBNETWORK in network.labels
        for subnet in network.subnets
    ]
    bridges = {network.bridge for network in networks}
    taken += [
        Claim(route.destination, f"the host's route via {route.device}")
        for route in ip.routes()
        if route.protocol != PROTOCOL and route.device not in own | bridges and route.device
    ]
    return taken


def claimed_by(lab: Found) -> list[Claim]:
    """A lab's ranges, as what another lab must keep off. Google's health-check ranges are those
    of every lab."""
    own = [network for network in lab.plan.made_up_ranges() if network not in HEALTH_CHECK_RANGES]
    own += [subnet.primary for subnet in lab.plan.subnets]
    return [Claim(network, f"lab {lab.name}") for network in own]


def make_plan(
    path: Path,
    docker: Docker,
    ip: IpRoute,
    in_use: Callable[[Runner], Sequence[Claim]] = host_claims,
) -> tuple[ResolvedTopology, Found | None]:
    """The plan for a topology file on this machine, and the lab of that name if it exists.

    `in_use` gives the addresses that this host must reach; only a new lab asks for them.
    Ranges given as a size stay what they are in an existing lab. Raises LabError when the
    topology is wrong or overlaps (another lab's ranges, too), and when an existing lab of that
    name was made from another topology.
    """
    topology = load(path)
    labs = find_labs(docker)
    existing = next((lab for lab in labs if lab.name == topology.name), None)
    if existing:
        if existing.plan.fingerprint() != topology.fingerprint():
            raise LabError(
                f"Lab {topology.name} exists and was made from another topology than {path} is now",
                "remove it first: invoke down",
            )
        return existing.plan, existing
    others = [claim for lab in labs for claim in claimed_by(lab)]
    taken = [*claims(docker.networks(), ip), *others, *in_use(docker.run)]
    return resolve(topology, taken), None

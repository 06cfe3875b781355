"""Machines that should be against containers that are: every difference, and what is done."""

from __future__ import annotations

from typing import Any

import pytest

from gkelab.cloud.machines.plan import Seen, plan
from gkelab.cloud.machines.wanted import wanted
from tests.unit.cloud.machines.fakes import IMAGE, LAB, NETWORKS, instance, state

LATER = "2026-01-02T00:00:00.123456789Z"


def container(name: str = "lab-vm-web", status: str = "running", **changes: Any) -> Seen:
    """The container of the instance web as it should be, but for changes."""
    (machine,) = wanted(state(instance("web")), LAB, NETWORKS).machines.values()
    labels = {
        "gkelab.lab": LAB,
        "gkelab.role": "vm",
        "gkelab.vm": machine.instance,
        "gkelab.vm.id": "7",
        "gkelab.vm.spec": machine.spec(IMAGE),
        **changes.pop("labels", {}),
    }
    return Seen("c1", name, status, changes.get("started", LATER), labels, ("gkelab.lab.us",))


def steps(containers: list[Seen], *instances: Any) -> list[tuple[str, str]]:
    found = plan(wanted(state(*instances), LAB, NETWORKS), containers, [], IMAGE)
    assert found.left_out == ()
    return [(action.verb, action.container) for action in found.actions]


WEB, STOPPED = instance("web"), instance("web", status="TERMINATED")
AGAIN = instance("web", lastStartTimestamp="2026-01-03T00:00:00.000+00:00")
VM = "lab-vm-web"


@pytest.mark.parametrize(
    ("containers", "wants", "verbs"),
    [
        ([], WEB, ["create"]),
        ([], STOPPED, []),
        ([container()], WEB, []),
        ([container(status="exited")], WEB, ["start"]),
        ([container(status="paused")], WEB, ["unpause"]),
        ([container(status="restarting")], WEB, []),
        ([container(status="created")], WEB, ["remove", "create"]),
        ([container(status="dead")], STOPPED, ["remove"]),
        ([container()], STOPPED, ["stop"]),
        ([container(status="paused")], STOPPED, ["stop"]),
        ([container(status="exited")], STOPPED, []),
        # instances.reset: it was started before the cloud had it start.
        ([container()], AGAIN, ["restart"]),
        ([container(started="2026-01-03T00:00:00Z")], AGAIN, []),
        ([container(labels={"gkelab.vm.id": "6"})], WEB, ["remove", "create"]),
        ([container(labels={"gkelab.vm": "zones/z/instances/web"})], WEB, ["remove", "create"]),
        ([container(labels={"gkelab.vm.spec": "old"})], WEB, ["remove", "create"]),
        ([container(labels={"gkelab.vm.spec": "old"})], STOPPED, ["remove"]),
    ],
)
def test_what_is_done(containers: list[Seen], wants: Any, verbs: list[str]) -> None:
    assert steps(containers, wants) == [(verb, VM) for verb in verbs]


def test_what_no_instance_is_left_of_goes_first_and_other_roles_stay() -> None:
    old = container("lab-vm-old")
    others = [
        container(role, labels={"gkelab.role": role}) for role in ("node", "client", "router")
    ]
    assert steps([*others, old], WEB) == [("remove", "lab-vm-old"), ("create", VM)]


def test_somebody_elses_container_is_told_of_and_left() -> None:
    made = wanted(state(WEB), LAB, NETWORKS)
    said = (
        "zones/us-central1-a/instances/web: the container lab-vm-web is not the lab's VM; remove"
        " it (docker rm --force lab-vm-web) or rename yours"
    )
    for containers, foreign in (([], [VM]), ([container(labels={"gkelab.role": "node"})], [])):
        found = plan(made, containers, foreign, IMAGE)
        assert (found.actions, found.left_out) == ((), (said,))

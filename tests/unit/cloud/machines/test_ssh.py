"""Which container a name means, and the command that leads into it."""

from __future__ import annotations

import pytest

from gkelab.cloud.machines import ssh
from gkelab.errors import LabError
from gkelab.tools.docker import Container


def container(name: str, role: str, state: str = "running", instance: str = "") -> Container:
    labels = {"gkelab.lab": "lab", "gkelab.role": role}
    labels |= {"gkelab.vm": instance} if instance else {}
    return Container(f"id-{name}", name, state, "", "", labels, {}, {}, {}, "")


EVERY = [
    container("lab-vm-web", "vm", instance="zones/us-central1-a/instances/web"),
    container("lab-vm-off", "vm", "exited", "zones/us-central1-a/instances/off"),
    container("small-worker", "node"),
    container("small-worker2", "node", "exited"),
    container("lab-router", "router"),
]


@pytest.mark.parametrize(
    ("name", "id"), [("web", "id-lab-vm-web"), ("small-worker", "id-small-worker")]
)
def test_a_vm_or_a_node_by_its_instances_name(name: str, id: str) -> None:
    assert ssh.find(EVERY, "lab", name).id == id


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "lab-router",
            "There is no machine lab-router in lab lab. Name one of: off, small-worker,"
            " small-worker2, web.",
        ),
        (
            "off",
            "The machine off does not run (its container is exited). Start it: invoke gcloud --"
            " compute instances start off.",
        ),
        (
            "small-worker2",
            "The machine small-worker2 does not run (its container is exited). Run: invoke up.",
        ),
    ],
)
def test_others_are_refused_in_a_sentence(name: str, said: str) -> None:
    with pytest.raises(LabError) as refused:
        ssh.find(EVERY, "lab", name)
    assert str(refused.value) == said


def test_of_two_of_one_name_the_zone_tells_which() -> None:
    twin = container("lab-vm-web.eu", "vm", instance="zones/europe-west1-b/instances/web")
    both = [*EVERY, twin]
    assert ssh.find(both, "lab", "web.europe-west1-b") is twin
    assert ssh.find(both, "lab", "web.us-central1-a") is EVERY[0]
    with pytest.raises(LabError) as refused:
        ssh.find(both, "lab", "web")
    assert str(refused.value) == (
        "web may be web.europe-west1-b or web.us-central1-a. Say which of them."
    )


def test_a_lab_without_machines() -> None:
    with pytest.raises(LabError, match=r"in lab b\. Make one: invoke gcloud -- compute instances"):
        ssh.find(EVERY, "b", "web")


@pytest.mark.parametrize(
    ("words", "terminal", "argv"),
    [
        ([], True, ["--interactive", "--tty", "id-lab-vm-web", "bash", "--login"]),
        (["ip", "route"], False, ["--interactive", "id-lab-vm-web", "ip", "route"]),
    ],
)
def test_the_command(words: list[str], terminal: bool, argv: list[str]) -> None:
    assert ssh.argv(EVERY[0], words, terminal=terminal) == ["docker", "exec", *argv]

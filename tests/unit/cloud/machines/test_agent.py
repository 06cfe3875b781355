"""The agent against a docker that behaves: commands to the word, and that it comes to rest."""

from __future__ import annotations

import json
import os
import subprocess
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gkelab.cloud.machines.agent import BOOT
from gkelab.shell import CommandError
from tests.unit.cloud.machines.fakes import (
    IMAGE,
    LINK,
    US,
    FakeDocker,
    agent,
    instance,
    labels,
    state,
)

WEB = "lab-vm-web"
NODE = {"gkelab.lab": "lab", "gkelab.role": "node"}


def test_a_vm_is_started_isolated_and_routed(tmp_path: Path) -> None:
    docker = FakeDocker()
    docker.add("small-worker", NODE)
    docker.add("lab-router", {"gkelab.lab": "lab", "gkelab.role": "router"})
    file = tmp_path / "machines.json"
    it = agent(docker, file, ranges=(IPv4Network("10.4.0.0/20"),))
    wants = state(instance("web", aliases=["10.4.1.0/24"]), generation=5)
    assert it.step(wants) is None
    started, *rest = docker.changes()
    spec = labels(docker.containers[WEB])["gkelab.vm.spec"]
    assert started == [
        *("docker", "run", "--detach", f"--name={WEB}", "--hostname=web"),
        *(f"--network={US.name}", "--ip=10.128.0.5", "--sysctl=net.ipv4.conf.all.arp_notify=1"),
        *("--cap-add=NET_ADMIN", "--cap-add=NET_RAW", "--restart=no", "--init"),
        *("--label=gkelab.lab=lab", "--label=gkelab.role=vm"),
        "--label=gkelab.vm=zones/us-central1-a/instances/web",
        *("--label=gkelab.vm.id=7", f"--label=gkelab.vm.spec={spec}"),
        *("--entrypoint=/bin/sh", IMAGE, "-c", BOOT, "sh", "serve"),
    ]
    ports = {name: f"veth{int(c['Id'])}" for name, c in docker.containers.items()}
    del ports["lab-router"]
    assert rest == [
        *(
            ["bridge", "link", "set", "dev", port, "isolated", "on"]
            for _, port in sorted(ports.items(), key=lambda pair: pair[0] == WEB)
        ),
        ["docker", "exec", "--interactive", docker.containers[WEB]["Id"], "ip", "-batch", "-"],
    ]
    *_, alias, last = docker.inputs[0].splitlines()
    assert alias == "route replace local 10.4.1.0/24 dev lo proto 66"
    assert last.startswith("address delete"), "which is what its program waits for"
    assert json.loads(file.read_text()) == {
        "generation": 5,
        "machines": {
            "zones/us-central1-a/instances/web": {
                "container": WEB,
                "state": "running",
                "address": "10.128.0.5",
                "aliases": ["10.4.1.0/24"],
            }
        },
        "isolated": ports,
        "wired": dict.fromkeys([WEB], f"veth{int(docker.containers['lab-router']['Id'])}"),
        "subnets": {LINK: US.name},
        "problems": [],
        "left_out": [],
        "bridged": [],
    }
    assert it.step(wants) is None
    assert docker.changes() == []


def test_an_alias_range_moves_and_leaves_first() -> None:
    docker, alias = FakeDocker(), ["10.4.1.7/32"]
    it = agent(docker)
    it.step(state(instance("a"), instance("b", "10.128.0.6", aliases=alias)))
    docker.changes()
    docker.inputs.clear()
    it.step(state(instance("a", aliases=alias), instance("b", "10.128.0.6")))
    order = [docker.of(call[3])["Name"] for call in docker.changes()]  # type: ignore[index]
    assert order == ["/lab-vm-b", "/lab-vm-a"]
    assert docker.inputs == [
        "route delete local 10.4.1.7/32 dev lo proto 66\n",
        "route replace local 10.4.1.7/32 dev lo proto 66\n",
    ]


def test_a_killed_container_is_started_again_and_set_up_anew() -> None:
    docker = FakeDocker()
    it, wants = agent(docker), state(instance("web"))
    it.step(wants)
    docker.containers[WEB]["State"]["Status"] = "exited"
    docker.isolated.clear()
    docker.changes()
    it.step(wants)
    number = docker.containers[WEB]["Id"]
    assert docker.changes() == [
        ["docker", "start", WEB],
        ["bridge", "link", "set", "dev", f"veth{int(number)}", "isolated", "on"],
        ["docker", "exec", "--interactive", number, "ip", "-batch", "-"],
    ]


def test_a_node_whose_instance_says_so_is_left_open_and_isolated_again() -> None:
    docker = FakeDocker()
    number = int(docker.add("small-worker", NODE)["Id"])
    switch = {"items": [{"key": "gkelab-direct", "value": "true"}]}
    node = {"labels": {"goog-gke-node": ""}}
    vm = instance("web", metadata=switch)  # a VM has no such switch
    it = agent(docker)
    it.step(state(instance("small-worker", "10.128.0.3", **node), vm))
    assert set(it.status.told["isolated"]) == {"small-worker", WEB}
    docker.changes()
    set_port = ["bridge", "link", "set", "dev", f"veth{number}", "isolated"]
    for metadata, word, isolated in ((switch, "off", {WEB}), ({}, "on", {"small-worker", WEB})):
        wants = state(instance("small-worker", "10.128.0.3", **node, metadata=metadata), vm)
        for _ in range(2):  # and stays so
            it.step(wants)
        assert docker.changes() == [[*set_port, word]]
        assert set(it.status.told["isolated"]) == isolated


def test_one_that_ends_again_and_again_waits() -> None:
    docker, now = FakeDocker(), [0.0]
    it, wants = agent(docker, now=lambda: now[0]), state(instance("web"))
    it.step(wants)
    tries = []
    for _ in range(80):
        docker.containers[WEB]["State"]["Status"] = "exited"
        docker.changes()
        it.step(wants)
        tries.append(any(call[1] == "start" for call in docker.changes()))
        now[0] += 1
    assert tries[:10] == [True, True, False, True, False, False, False, True, False, False]
    assert 5 < sum(tries) < 15
    assert it.status.told["problems"] == [f"{WEB} is started again and again; it waits"]


def test_what_docker_refuses_is_told_and_tried_again(tmp_path: Path) -> None:
    docker = FakeDocker(refuses={("docker", "run"): "Address already in use"})
    it = agent(docker, tmp_path / "status")
    assert it.step(state(instance("web"))) == 2.0
    (problem,) = it.status.told["problems"]
    assert problem.startswith(f"cannot create {WEB}: ") and "already in use" in problem
    assert it.status.told["machines"]["zones/us-central1-a/instances/web"]["state"] == "absent"
    docker.refuses.clear()
    assert it.step(state(instance("web"))) is None
    assert it.status.told["problems"] == []


def test_without_docker_nothing_is_known() -> None:
    docker = FakeDocker(refuses={("docker",): "Cannot connect to the Docker daemon"})
    with pytest.raises(CommandError, match="Cannot connect"):
        agent(docker).step(state())


def test_before_the_cloud_has_answered_no_machine_is_touched() -> None:
    docker = FakeDocker()
    docker.add("lab-vm-old", {"gkelab.lab": "lab", "gkelab.role": "vm"})
    docker.add("small-worker", NODE)
    it = agent(docker)
    it.step(None, "the cloud does not answer")
    assert {call[0] for call in docker.changes()} == {"bridge"}
    assert it.status.told["problems"] == ["the cloud does not answer"]


def test_a_foreign_container_is_left(tmp_path: Path) -> None:
    docker = FakeDocker()
    docker.add(WEB, {"mine": "yes"})
    it = agent(docker)
    it.step(state(instance("web")))
    assert docker.changes() == []
    assert "is not the lab's VM" in it.status.told["left_out"][0]


def test_a_port_that_is_on_no_subnet_is_told_of() -> None:
    docker = FakeDocker(refuses={("docker", "exec"): "No such file"})
    docker.add("small-worker", NODE)
    it = agent(docker)
    it.step(state())
    assert it.status.told["problems"][0].startswith("the port of small-worker is not isolated: ")


names = st.sampled_from(["a", "b", "c"])
statuses = st.sampled_from(["RUNNING", "TERMINATED", "SUSPENDED"])
aliases = st.lists(st.integers(0, 3).map(lambda i: f"10.4.{i}.0/24"), unique=True, max_size=2)
numbers = st.sampled_from(["7", "8"])
wishes = st.lists(st.tuples(names, statuses, aliases, numbers), unique_by=lambda w: w[0])
accidents = st.lists(st.tuples(names, st.sampled_from(["exited", "paused", "dead", "gone"])))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(wishes, accidents), min_size=1, max_size=4))
def test_it_comes_to_rest_with_what_the_cloud_says(rounds: list[Any]) -> None:
    docker = FakeDocker()
    it = agent(docker, now=iter(range(0, 10**9, 1000)).__next__)
    docker.add("mine", {})
    for wished, happened in rounds:
        wants = state(
            *(instance(n, f"10.128.0.{ord(n)}", status=s, aliases=a, id=i) for n, s, a, i in wished)
        )
        it.step(wants)
        docker.changes()
        it.step(wants)
        assert docker.changes() == []
        running = {
            c["Name"][1:] for c in docker.containers.values() if c["State"]["Status"] == "running"
        }
        assert running == {f"lab-vm-{n}" for n, s, *_ in wished if s == "RUNNING"} | {"mine"}
        for name, accident in happened:
            container = docker.containers.get(f"lab-vm-{name}")
            if container and accident == "gone":
                del docker.containers[f"lab-vm-{name}"]
            elif container:
                container["State"]["Status"] = accident


@pytest.mark.parametrize(
    ("shown", "begins"),
    [
        (["10.0.0.5/24"], False),
        (["10.0.0.5/32", "10.0.0.5/24"], False),
        (["10.0.0.5/32"], True),
        (["10.0.0.5/32", "10.0.0.9/32"], True),
    ],
)
def test_what_a_machine_runs_begins_when_it_is_in_the_vpc(
    shown: list[str], begins: bool, tmp_path: Path
) -> None:
    """With docker's address, a whole subnet's, it waits."""
    lines = "".join(f"2: eth0 inet {one} scope global eth0\n" for one in shown)
    for name, text in {"ip": f"printf '{lines}'", "sleep": "kill $PPID"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", BOOT, "sh", "echo", "it", "begins"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout == "it begins\n") is begins

"""Containers: all are described, and those that run are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gkelab.diagnosis.nodes import COMMANDS, NETWORK, container_sources
from gkelab.diagnosis.scrub import MARK
from gkelab.lab import Lab
from gkelab.shell import CommandError
from tests.support.recorder import Recorder
from tests.unit.diagnosis import collectors, gathered
from tests.unit.steps import inside, make_lab
from tests.unit.tools import Raw, lists_containers, lists_networks, own_networks, recorded, stopped

LAB = ["gkelab.lab=vpc-native"]
CLIENT = "vpc-native-client"


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    return make_lab(tmp_path, run)


def name_of(raw: Raw) -> str:
    return str(raw["Name"]).lstrip("/")


def there_are(run: Recorder, raws: list[Raw]) -> None:
    lists_containers(run, LAB, raws)
    # Inspected a second time whole, in docker's order by name.
    ids = [raw["Id"] for raw in sorted(raws, key=name_of)]
    run.handle(["docker", "container", "inspect", *ids], json.dumps(raws))
    lists_networks(run, LAB, own_networks())
    for raw in raws:
        log = ["docker", "logs", "--timestamps", "--tail=1000", name_of(raw)]
        run.handle(log, f"log of {name_of(raw)}\n")


def test_nodes_and_clients_are_asked_for_their_network(lab: Lab, run: Recorder) -> None:
    there_are(run, recorded("containers"))
    for raw in recorded("containers"):
        role = raw["Config"]["Labels"]["gkelab.role"]
        for argv in COMMANDS.get(role, NETWORK).values():
            run.handle(inside(name_of(raw), *argv), f"{argv[0]} says\n")
    found = gathered(container_sources(lab))
    assert found["containers/vpc-native-worker/routes.txt"] == "ip says\n"
    assert found["containers/vpc-native-worker/nftables.txt"] == "nft says\n"
    assert found["containers/vpc-native-worker/docker.log"] == "log of vpc-native-worker\n"
    assert f"containers/{CLIENT}/rules.txt" in found
    assert f"containers/{CLIENT}/kubelet.log" not in found
    assert found["containers/vpc-native-router/nftables.txt"] == "nft says\n"
    for role in ("router", "machines", "controllers"):
        assert found[f"containers/vpc-native-{role}/status.json"] == "cat says\n"
    # What is on the host's network would tell of the person's machine.
    assert "containers/vpc-native-machines/addresses.txt" not in found
    assert len([path for path in found if path.endswith("/iptables.txt")]) == 3
    assert json.loads(found["docker/networks.json"])[0]["Name"] == own_networks()[0]["Name"]


def test_one_that_stands_still_is_said_to(lab: Lab, run: Recorder) -> None:
    there_are(run, [stopped(raw) for raw in recorded("containers")])
    found = gathered(container_sources(lab))
    folder = "containers/vpc-native-worker"
    assert {path for path in found if path.startswith(f"{folder}/")} == {
        f"{folder}/docker.log",
        f"{folder}/state.txt",
    }
    said = "vpc-native-worker is exited, so nothing was asked inside of it\n"
    assert found[f"{folder}/state.txt"] == said


def test_of_their_environment_only_the_names_are_told(lab: Lab, run: Recorder) -> None:
    raws = recorded("containers")
    for raw in raws:
        raw["Config"]["Env"] = ["HTTPS_PROXY=hunter22", "container=docker"]
    there_are(run, [stopped(raw) for raw in raws])
    text = gathered(container_sources(lab))["docker/containers.json"]
    assert "hunter22" not in text
    assert json.loads(text)[0]["Config"]["Env"] == [f"HTTPS_PROXY={MARK}", f"container={MARK}"]


def test_a_program_that_is_missing_is_an_error_and_half_an_answer_is_one(
    lab: Lab, run: Recorder
) -> None:
    raws = [raw for raw in recorded("containers") if name_of(raw) == CLIENT]
    there_are(run, raws)
    argvs = [inside(CLIENT, *argv) for argv in NETWORK.values()]
    run.handle(argvs[0], code=127, stderr="ip: not found")
    run.handle(argvs[1], "some routes\n", code=2, stderr="Dump terminated")
    found = {c.path.rpartition("/")[2]: c for c in collectors(container_sources(lab))}
    with pytest.raises(CommandError, match="ip: not found"):
        found["addresses.txt"].gather()
    assert found["routes.txt"].gather() == "some routes\n\n(exit code 2: Dump terminated)\n"


def test_nothing_left_of_a_lab_is_no_error(lab: Lab, run: Recorder) -> None:
    lists_containers(run, LAB, [])
    lists_networks(run, LAB, [])
    assert gathered(container_sources(lab)) == {
        "docker/containers.json": "[]\n",
        "docker/networks.json": "[]\n",
    }

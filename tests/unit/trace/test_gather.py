"""What a trace asks of a lab, and a lab that is down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.containers import STATUS
from gkelab.errors import LabError
from gkelab.trace.commands import number_of, status
from gkelab.trace.gather import KINDS, counters, gather
from gkelab.trace.model import EndView, Trace
from gkelab.trace.run import traced
from tests.support.recorder import Recorder
from tests.unit.cloud.router import states
from tests.unit.steps import inside, kubectl, make_lab

KEPT = "/var/lib/gkelab/state.json"
WORDS = [
    *("--cloud=http://cloud:8080", "--project=p", f"--state={KEPT}", "--status=/x"),
    *("--firewall-log=/y", "--internet-range=198.18.0.0/24"),
]


def container(name: str, pid: int, **more: Any) -> dict[str, Any]:
    return {
        "Name": f"/{name}",
        "State": {"Pid": pid, "Running": pid > 0},
        "Config": {"Labels": {}, "Cmd": WORDS, **more},
    }


def docker(run: Recorder, *containers: dict[str, Any]) -> None:
    argv = ["docker", "ps", "--all", "--no-trunc", "--quiet", "--filter"]
    run.handle([*argv, "label=gkelab.lab=vpc-native"], "id\n")
    run.handle(["docker", "container", "inspect", "id"], json.dumps(containers))


def whole(tmp_path: Path, run: Recorder) -> Any:
    lab = make_lab(tmp_path, run)
    vm = container("vpc-native-vm-vm", 9, Labels={"gkelab.vm": "zones/europe-west1-b/instances/vm"})
    docker(run, container("vpc-native-router", 7), vm, container("n1", 0))
    run.handle(inside("vpc-native-router", "cat", KEPT), json.dumps(states.state(states.NODES)))
    told = {"generation": 1, "interfaces": {"internet": "eth2"}}
    run.handle(inside("vpc-native-router", "cat", STATUS), json.dumps(told))
    argv = kubectl(lab, "get", KINDS, "--all-namespaces", "--output=json")
    pod = {
        "kind": "Pod",
        "metadata": {"namespace": "x", "name": "a"},
        "spec": {"nodeName": "n1"},
        "status": {"podIP": "10.4.0.5"},
    }
    run.handle(argv, json.dumps({"items": [pod]}))
    return lab


def test_the_lab_as_it_is(tmp_path: Path) -> None:
    """Here the cloud is away, so what the router knows of it counts."""
    known = gather(whole(tmp_path, Recorder()))
    assert known.pids == {"vpc-native-router": 7, "vpc-native-vm-vm": 9}
    assert (known.router, known.internet) == ("vpc-native-router", "eth2")
    assert [machine.container for machine in known.world.machines] == ["", "", "vpc-native-vm-vm"]
    assert [pod.name for pod in known.world.pods] == ["a"]
    assert known.fabric.generation == 1
    assert known.notes == (
        "the lab's cloud is not known here, so what the router last knew of it counts",
    )


def test_counters_are_named(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    found = [("nowhere", 3), ("spoofed_0a800002", 1)]
    said = {"nftables": [{"counter": {"name": n, "packets": c, "bytes": 0}} for n, c in found]}
    words = ["nft", "--json", "list", "counters", "table", "ip", "gkelab"]
    run.handle(inside("r", *words), json.dumps(said))
    known = states.fabric(states.NODES)
    assert counters(lab, "r", known) == {"nowhere": 3, "spoofed by n1": 1}


@pytest.mark.parametrize(
    ("containers", "sentence"),
    [
        ([], "Lab vpc-native does not run. Run: invoke start."),
        (
            [container("n1", 3)],
            "vpc-native-router does not run, and no packet passes without it. Run: invoke up.",
        ),
    ],
)
def test_a_lab_that_is_down(tmp_path: Path, containers: list[Any], sentence: str) -> None:
    run = Recorder()
    docker(run, *containers)
    with pytest.raises(LabError) as caught:
        gather(make_lab(tmp_path, run))
    assert str(caught.value) == sentence


def test_a_machine_that_does_not_run_sends_nothing(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        traced(whole(tmp_path, Recorder()), "x/a", "10.4.9.9")
    assert str(caught.value) == "x/a does not run. Look at it with `invoke status`."


def test_a_protocol_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        traced(make_lab(tmp_path, Recorder()), "a", "b", protocol="gre")
    assert str(caught.value) == "gre is no protocol that is traced. Say tcp, udp or icmp."


def test_a_port_that_is_none() -> None:
    assert (number_of(None), number_of("80")) == (None, 80)
    with pytest.raises(LabError) as caught:
        number_of("http")
    assert str(caught.value) == "http is no port. Give one of 1 to 65535."


@pytest.mark.parametrize(
    ("outcome", "wrong", "code"),
    [("timeout", (), 0), ("answered", ("so",), 1), ("broken", (), 2)],
)
def test_the_exit_status(outcome: str, wrong: tuple[str, ...], code: int) -> None:
    end = EndView("vm", "vm", "10.132.0.2")
    told = Trace(end, end, "tcp", 80, outcome, "", False, "", "", (), None, {}, wrong)
    assert status(told) == code

"""The faults: what each aims at, and the commands that it comes to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.faults import catalog
from gkelab.faults.catalog import AGENT, FAULTS, GATEWAY, Victim, cut_power, delete_pod, kill
from gkelab.faults.stage import Stage
from gkelab.status import COMPONENTS
from gkelab.wait import WaitError
from tests.support.recorder import Recorder
from tests.unit.faults import Object, pod, stage_of
from tests.unit.steps import inside, kubectl

WORKER, WORKER2 = "vpc-native-worker", "vpc-native-worker2"


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(tmp_path: Path, run: Recorder) -> Stage:
    return stage_of(tmp_path, run)


def lists(stage: Stage, run: Recorder, victim: Victim, *answers: list[Object]) -> None:
    """Expect the workload and then its pods, by its own selector."""
    where = f"--namespace={victim.namespace}"
    words = [where, "get", victim.kind, victim.workload, "--ignore-not-found", "--output=json"]
    workload = {"spec": {"selector": {"matchLabels": {"app": "x", "tier": "y"}}}}
    run.handle(kubectl(stage.lab, *words), json.dumps(workload))
    listing = ["get", "pods", where, "--selector=app=x,tier=y", "--output=json"]
    for found in answers:
        run.handle(kubectl(stage.lab, *listing), json.dumps({"items": found}))


def gets(stage: Stage, run: Recorder, victim: Victim, name: str, *answers: Object | None) -> None:
    words = [f"--namespace={victim.namespace}", "get", "pod", name, "--ignore-not-found"]
    for found in answers:
        text = json.dumps(found) if found else ""
        run.handle(kubectl(stage.lab, *words, "--output=json"), text)


def agent(name: str, node: str, number: str, *, ready: bool = True) -> Object:
    return pod(name, node, container="cilium-agent", number=number, ready=ready)


def test_one_container_of_that_node_is_killed(stage: Stage, run: Recorder) -> None:
    lists(stage, run, AGENT, [agent("a", WORKER, "1"), agent("b", WORKER2, "2")])
    shot = kill(stage, AGENT, WORKER2)
    ctr = ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", "2"]
    assert run.times("docker") == 0, "it was done before the clock began"
    run.handle(inside(WORKER2, *ctr))
    gets(stage, run, AGENT, "b", agent("b", WORKER2, "3"))
    shot()
    assert run.times(*inside(WORKER2, *ctr)) == 1


@pytest.mark.parametrize(
    "now",
    [
        agent("a", WORKER, "1"),  # kubelet has not noticed yet
        agent("a", WORKER, "2", ready=False),
        None,
        {"status": {}},
    ],
)
def test_it_is_waited_for_until_it_runs_anew(
    stage: Stage, run: Recorder, now: Object | None
) -> None:
    lists(stage, run, AGENT, [agent("a", WORKER, "1")])
    ctr = ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", "1"]
    run.handle(inside(WORKER, *ctr))
    gets(stage, run, AGENT, "a", now)
    with pytest.raises(WaitError, match="cilium-agent of pod a runs again"):
        kill(stage, AGENT)()


def test_a_victim_that_is_not_there(stage: Stage, run: Recorder) -> None:
    lists(stage, run, AGENT, [agent("a", WORKER, "1", ready=False)])
    with pytest.raises(LabError, match=r"No Ready pod of cilium runs on vpc-native-worker\b"):
        kill(stage, AGENT, WORKER)
    with pytest.raises(LabError, match=r"No Ready pod of cilium runs\."):
        delete_pod(stage, AGENT)


def test_a_workload_that_is_not_installed(stage: Stage, run: Recorder) -> None:
    words = ["--namespace=kube-system", "get", "daemonset", "cilium", "--ignore-not-found"]
    run.handle(kubectl(stage.lab, *words, "--output=json"), "")
    with pytest.raises(LabError, match="cilium is not installed in cluster vpc-native"):
        kill(stage, AGENT)


def test_a_deleted_pod_is_waited_for_until_another_is_ready(stage: Stage, run: Recorder) -> None:
    old, new = pod("old", WORKER), pod("new", WORKER2)
    leaving = pod("old", WORKER, leaving=True)
    lists(stage, run, GATEWAY, [old], [leaving, new])
    words = ["--namespace=istio-system", "delete", "pod", "old", "--ignore-not-found"]
    removal = kubectl(stage.lab, *words, "--wait=false")
    run.handle(removal)
    shot = delete_pod(stage, GATEWAY)
    assert run.times(*removal) == 0
    shot()
    assert run.times(*removal) == 1


def test_the_old_pod_does_not_stand_for_the_new(stage: Stage, run: Recorder) -> None:
    lists(stage, run, GATEWAY, [pod("old", WORKER)])
    words = ["--namespace=istio-system", "delete", "pod", "old", "--ignore-not-found"]
    run.handle(kubectl(stage.lab, *words, "--wait=false"))
    with pytest.raises(WaitError, match="istio-ingressgateway has another pod"):
        delete_pod(stage, GATEWAY)()


def test_the_node_that_announces_is_stopped_at_once(
    stage: Stage, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stage, "address", lambda _: "203.0.113.2")
    monkeypatch.setattr(Stage, "announcer", lambda _, address: f"who has {address}")
    shot = cut_power(stage)
    stop = ["docker", "stop", "--time", "0", "who has 203.0.113.2"]
    run.handle(stop)
    assert run.calls == []
    shot()
    assert run.argvs == [stop]


def test_victims_are_what_status_knows() -> None:
    """Workloads have one name in the project."""
    known = {(kind.lower(), *where) for kind, *where in COMPONENTS.values()}
    victims = [getattr(catalog, name) for name in dir(catalog) if name.isupper()]
    found = [v for v in victims if isinstance(v, Victim) and v is not catalog.SERVER]
    assert len(found) >= 7
    assert {(v.kind, v.namespace, v.workload) for v in found} <= known


def test_the_catalog_has_what_the_bench_promises() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert names[-1] == "worker node stopped"
    for word in ("agent", "operator", "istiod", "speaker", "CoreDNS", "gateway", "worker"):
        assert any(word in name for name in names), word


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_watches_a_way_that_is_there(
    fault: catalog.Fault, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stage, "client", lambda _: pod("client", WORKER))
    monkeypatch.setattr(Stage, "server", lambda _: pod("server", WORKER2, ip="10.0.0.9"))
    monkeypatch.setattr(Stage, "address", lambda *_: "203.0.113.2")
    assert fault.ways
    for way in fault.ways:
        assert stage.way(way).traffic.host

"""The stage: which pods stand for what, the ways between them, who announces an address."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from gkelab.errors import LabError
from gkelab.faults import stage as staging
from gkelab.faults.flow import Traffic
from gkelab.faults.stage import NAMESPACE, PORT, Stage, staged
from gkelab.lab import manifests
from tests.support.recorder import Recorder
from tests.unit.faults import Object, balanced, pod, stage_of
from tests.unit.steps import applied_objects, applies, inside, kubectl

WORKER, WORKER2 = "vpc-native-worker", "vpc-native-worker2"
OUTSIDE, ROUTER = "vpc-native-client", "vpc-native-router"
KNOCK = ["curl", "--silent", "--max-time", "2", f"http://203.0.113.2:{PORT}/"]
NEIGHBOURS = ["ip", "-json", "neigh", "show", "to", "203.0.113.2"]


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(tmp_path: Path, run: Recorder) -> Stage:
    return stage_of(tmp_path, run)


def pods(stage: Stage, run: Recorder, app: str, found: Sequence[Object]) -> None:
    words = ["get", "pods", f"--namespace={NAMESPACE}", f"--selector=app={app}", "--output=json"]
    run.handle(kubectl(stage.lab, *words), json.dumps({"items": found}))


def service(
    stage: Stage, run: Recorder, found: Object | None, name: str, namespace: str = NAMESPACE
) -> None:
    words = [f"--namespace={namespace}", "get", "service", name, "--ignore-not-found"]
    text = json.dumps(found) if found else ""
    run.handle(kubectl(stage.lab, *words, "--output=json"), text)


def test_the_server_is_the_one_of_another_node(stage: Stage, run: Recorder) -> None:
    pods(stage, run, "client", [pod("client", WORKER)])
    pods(stage, run, "server", [pod("near", WORKER), pod("far", WORKER2)])
    assert stage.server()["metadata"]["name"] == "far"


def test_with_one_worker_it_is_any(stage: Stage, run: Recorder) -> None:
    pods(stage, run, "client", [pod("client", WORKER)])
    pods(stage, run, "server", [pod("one", WORKER), pod("two", WORKER)])
    assert stage.server()["metadata"]["name"] == "one"


def test_pods_that_leave_or_are_not_ready_are_passed_over(stage: Stage, run: Recorder) -> None:
    old, sick = pod("old", WORKER, leaving=True), pod("sick", WORKER, ready=False)
    pods(stage, run, "client", [old, sick, pod("client", WORKER)])
    assert stage.client()["metadata"]["name"] == "client"


def test_ways_inside(stage: Stage, run: Recorder) -> None:
    pods(stage, run, "client", [pod("client-1", WORKER)])
    pods(stage, run, "server", [pod("far", WORKER2, ip="10.0.0.9")])
    words = [f"--namespace={NAMESPACE}", "exec", "--stdin", "client-1", "--"]
    way = stage.way(staging.POD_TO_POD)
    assert list(way.where) == kubectl(stage.lab, *words)
    assert way.traffic == Traffic("10.0.0.9", 9000)
    way = stage.way(staging.POD_TO_NAME)
    assert list(way.where) == kubectl(stage.lab, *words)
    assert way.traffic.host == "server.gkelab-faults.svc.cluster.local."


def test_ways_from_outside(stage: Stage, run: Recorder) -> None:
    service(stage, run, balanced("203.0.113.2"), "outside")
    service(stage, run, balanced("203.0.113.1"), "istio-ingressgateway", "istio-system")
    way = stage.way(staging.OUTSIDE_TO_LB)
    assert way.where == ("docker", "exec", "--interactive", OUTSIDE)
    assert (way.traffic.host, way.traffic.port) == ("203.0.113.2", 9000)
    way = stage.way(staging.OUTSIDE_TO_GATEWAY)
    assert way.traffic == Traffic("203.0.113.1", 80, "http", "whoami.example.com")
    with pytest.raises(LookupError):
        stage.way("by boat")


@pytest.mark.parametrize("found", [None, {}, balanced("")])
def test_an_address_that_is_not_there(stage: Stage, run: Recorder, found: Object | None) -> None:
    service(stage, run, found, "outside")
    with pytest.raises(LabError, match=r"Service outside in gkelab-faults has no address"):
        stage.address()


def test_who_announces_is_whose_mac_answers(stage: Stage, run: Recorder) -> None:
    run.handle(inside(OUTSIDE, *KNOCK), code=1)
    entry = {"dst": "203.0.113.2", "dev": "eth1", "lladdr": "42:01:0a:80:00:04"}
    run.handle(inside(ROUTER, *NEIGHBOURS), json.dumps([entry]))
    assert stage.announcer("203.0.113.2") == WORKER2


@pytest.mark.parametrize("entries", ["", "[]", '[{"dst": "203.0.113.2", "state": ["FAILED"]}]'])
def test_an_address_that_nobody_announces(stage: Stage, run: Recorder, entries: str) -> None:
    run.handle(inside(OUTSIDE, *KNOCK), code=1)
    run.handle(inside(ROUTER, *NEIGHBOURS), entries)
    with pytest.raises(LabError, match=r"No worker of cluster vpc-native answers for 203"):
        stage.announcer("203.0.113.2")


def handle_staging(stage: Stage, run: Recorder) -> list[str]:
    """Expect what a stage takes; the command that removes it."""
    words = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true"]
    removal = kubectl(stage.lab, *words)
    run.handle(removal)
    run.handle(applies(stage.lab))
    for name in ("server", "client"):
        words = [f"--namespace={NAMESPACE}", "wait", f"deployment/{name}"]
        run.handle(kubectl(stage.lab, *words, "--for=condition=Available", "--timeout=0s"))
    pods(stage, run, "client", [pod("client", WORKER)])
    pods(stage, run, "server", [pod("a", WORKER), pod("b", WORKER2)])
    service(stage, run, balanced("203.0.113.2"), "outside")
    return removal


def test_the_stage_is_made_anew_and_gone_in_the_end(stage: Stage, run: Recorder) -> None:
    removal = handle_staging(stage, run)
    with staged(stage.lab, stage.cluster) as made:
        assert made == stage
        assert run.argvs[0] == removal, "what was left behind is in the way"
        assert run.times(*removal) == 1
    assert run.times(*removal) == 2
    assert run.argvs[-1] == removal
    (objects,) = applied_objects(run)
    images = [
        container["image"]
        for item in objects
        if item["kind"] == "Deployment"
        for container in item["spec"]["template"]["spec"]["containers"]
    ]
    assert images == [stage.lab.supplier.reference("workload")] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, LabError("broken")])
def test_also_when_it_is_interrupted(
    stage: Stage, run: Recorder, error: type[BaseException] | BaseException
) -> None:
    removal = handle_staging(stage, run)
    with pytest.raises((KeyboardInterrupt, LabError)), staged(stage.lab, stage.cluster):
        raise error
    assert run.argvs[-1] == removal


def test_restoring_starts_waits_for_the_lab_and_for_the_stage(
    stage: Stage, run: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    node = SimpleNamespace(name=WORKER, state="exited")
    monkeypatch.setattr(staging, "find_nodes", lambda *_: [node])
    monkeypatch.setattr(staging, "start", lambda *words: done.append(f"start {words[2][0].name}"))
    monkeypatch.setattr(staging, "wait_ready", lambda *_: done.append("wait"))
    monkeypatch.setattr(Stage, "wait", lambda _: done.append("stage"))
    words = ["get", "pods", f"--namespace={NAMESPACE}", "--output=json"]
    run.handle(kubectl(stage.lab, *words), json.dumps({"items": [pod("a", WORKER2)]}))
    stage.restore()
    assert done == [f"start {WORKER}", "wait", "stage"]


SINCE = "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("state", "stale"),
    [
        ({"running": {"startedAt": "2026-01-01T23:59:59Z"}}, True),
        ({"running": {"startedAt": SINCE}}, False),
        ({"waiting": {"reason": "ContainerCreating"}}, True),
        ({}, True),
    ],
)
def test_pods_of_a_stopped_node_must_have_started_since(state: Object, stale: bool) -> None:
    told = pod("a", WORKER)
    told["status"]["containerStatuses"][0]["state"] = state
    assert staging.outdated([told], [WORKER], SINCE) == (["a"] if stale else [])
    assert staging.outdated([told], [WORKER2], SINCE) == []


def test_everything_of_the_manifest_is_in_its_namespace() -> None:
    first, *others = manifests("faults/stage.yaml")
    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", NAMESPACE)
    assert {item["metadata"]["namespace"] for item in others} == {NAMESPACE}

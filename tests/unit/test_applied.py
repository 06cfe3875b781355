"""What was applied is remembered in the cluster itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gkelab.applied import Applied
from gkelab.errors import LabError
from gkelab.shell import CommandError
from gkelab.tools.kubectl import Kubectl
from tests.support.recorder import Recorder
from tests.unit.steps import Object

HEAD = ["kubectl", "--kubeconfig", "/k", "--context", "kind-one"]
READ = [
    *(*HEAD, "--namespace=kube-system", "get", "configmap", "gkelab-applied"),
    *("--ignore-not-found", "--output=json"),
]
WRITE = [
    *(*HEAD, "apply", "--server-side", "--force-conflicts"),
    *("--field-manager=gkelab", "--filename=-"),
]
OBJECTS = [{"kind": "Namespace", "metadata": {"name": "x"}}]


class Cluster(Recorder):
    """A cluster that keeps the ConfigMap it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: Object | None = None
        self.done: list[str] = []

    def applied(self) -> Applied:
        """Another `up` on this cluster."""
        self._answers.clear()
        self.handle(READ, json.dumps(self.kept) if self.kept else "")
        self.handle(WRITE, does=self._keep)
        return Applied(Kubectl(Path("kubectl"), Path("/k"), "kind-one", self))

    def _keep(self) -> None:
        self.kept = yaml.safe_load(self.calls[-1].input or "")

    def do(self, name: str) -> Callable[[], None]:
        return lambda: self.done.append(name)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_step_runs_once_for_the_same_inputs(cluster: Cluster) -> None:
    assert cluster.applied().once("metallb", OBJECTS, cluster.do("first")) is True
    assert cluster.applied().once("metallb", OBJECTS, cluster.do("second")) is False
    assert cluster.done == ["first"]


def test_it_runs_again_when_its_inputs_change(cluster: Cluster) -> None:
    cluster.applied().once("metallb", OBJECTS, cluster.do("first"))
    changed = [{**OBJECTS[0], "metadata": {"name": "y"}}]
    assert cluster.applied().once("metallb", changed, cluster.do("second")) is True
    assert cluster.applied().once("metallb", OBJECTS, cluster.do("third")) is True
    assert cluster.done == ["first", "second", "third"]


def test_the_order_of_keys_is_no_change(cluster: Cluster) -> None:
    cluster.applied().once("x", {"a": 1, "b": 2}, cluster.do("first"))
    assert cluster.applied().once("x", {"b": 2, "a": 1}, cluster.do("second")) is False


def test_steps_do_not_share_their_records(cluster: Cluster) -> None:
    applied = cluster.applied()
    assert applied.once("metallb", OBJECTS, cluster.do("metallb"))
    assert applied.once("istio", OBJECTS, cluster.do("istio"))
    assert cluster.applied().once("metallb", OBJECTS, cluster.do("again")) is False
    assert cluster.kept is not None
    assert set(cluster.kept["data"]) == {"metallb", "istio"}


def test_a_cluster_made_anew_gets_everything(cluster: Cluster) -> None:
    cluster.applied().once("metallb", OBJECTS, cluster.do("first"))
    cluster.kept = None
    assert cluster.applied().once("metallb", OBJECTS, cluster.do("second")) is True


def test_a_step_that_failed_is_not_recorded(cluster: Cluster) -> None:
    def fail() -> None:
        raise LabError("no")

    with pytest.raises(LabError):
        cluster.applied().once("metallb", OBJECTS, fail)
    assert cluster.kept is None
    assert cluster.applied().once("metallb", OBJECTS, cluster.do("again")) is True


def test_what_another_hand_did_can_be_recorded(cluster: Cluster) -> None:
    cluster.applied().record("cilium", "0123")
    assert cluster.applied().once("cilium", "0123", cluster.do("never")) is False
    assert cluster.applied().once("cilium", "4567", cluster.do("other")) is True


def test_the_cluster_is_asked_once(cluster: Cluster) -> None:
    applied = cluster.applied()
    applied.once("a", 1, cluster.do("a"))
    applied.once("b", 1, cluster.do("b"))
    assert cluster.times(*READ) == 1


def test_a_cluster_that_does_not_answer_is_an_error_and_no_empty_record(cluster: Cluster) -> None:
    applied = cluster.applied()
    cluster._answers.clear()
    cluster.handle(READ, code=1, stderr="connection refused")
    with pytest.raises(CommandError, match="connection refused"):
        applied.once("a", 1, cluster.do("a"))
    assert cluster.done == []


def test_the_record_is_a_config_map_of_the_labs_own(cluster: Cluster) -> None:
    cluster.applied().record("cilium", "0123")
    assert cluster.kept is not None
    assert cluster.kept["kind"] == "ConfigMap"
    assert cluster.kept["metadata"] == {"name": "gkelab-applied", "namespace": "kube-system"}
    assert all(len(key) == 12 for key in cluster.kept["data"].values())

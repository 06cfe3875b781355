"""What is seen of a lab that must not change, and the topology with two workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gkelab.lab import Lab
from gkelab.supply.pins import ROOT
from gkelab.topology import load, resolve
from gkelab.wait import Clock, WaitError
from tests.support import own_lab
from tests.support.own_lab import NAME, changed, pods, settled, two_workers, versions
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab

Object = dict[str, Any]


def item(kind: str, name: str, version: str, *managers: str, namespace: str = "ns") -> Object:
    fields = [{"manager": manager} for manager in managers]
    metadata = {"name": name, "namespace": namespace, "resourceVersion": version}
    return {"kind": kind, "metadata": {**metadata, "managedFields": fields}}


def test_what_the_lab_applied_is_known_by_its_manager() -> None:
    found = versions(
        [
            item("Service", "mine", "1", "gkelab", "controller"),
            item("ConfigMap", "leader", "2", "pilot-discovery"),
            item("Deployment", "coredns", "3", "kubeadm"),
        ]
    )
    assert found == {"Service ns/mine": "1", "Deployment ns/coredns": "3"}


def test_what_has_no_namespace_and_no_managers() -> None:
    bare: Object = {"kind": "DaemonSet", "metadata": {"name": "x", "resourceVersion": "7"}}
    assert versions([bare]) == {"DaemonSet /x": "7"}


def test_pods_by_uid_and_restarts() -> None:
    def pod(namespace: str, **status: Any) -> Object:
        return {"metadata": {"namespace": namespace, "name": "p", "uid": "u"}, "status": status}

    statuses = [{"name": "a", "restartCount": 0}, {"name": "b", "restartCount": 2}]
    told = pods([pod("sample", containerStatuses=statuses), pod("mine")])
    assert told == {"Pod sample/p": "u a:0 b:2"}, "a person's own pods may change"


def test_changes_are_what_came_went_or_is_another() -> None:
    assert changed({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == [
        *("b", "c", "d"),
    ]
    assert changed({"a": "1"}, {"a": "1"}) == []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path, Recorder())


def sees(monkeypatch: pytest.MonkeyPatch, *snapshots: dict[str, str]) -> None:
    """Let these be the snapshots, the last one again and again; no time passes."""
    left = list(snapshots)
    monkeypatch.setattr(own_lab, "snapshot", lambda _: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr("gkelab.wait.Clock", lambda: Clock(lambda: 0, lambda _: None))


def test_a_lab_is_quiet_when_two_snapshots_are_the_same(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees(monkeypatch, {"a": "1"}, {"a": "2"}, {"a": "3"})
    assert settled(lab) == {"a": "3"}


def test_one_that_never_is_says_what_goes_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_lab, "SETTLES", 0)
    sees(monkeypatch, {"a": "1", "b": "1"})
    with pytest.raises(WaitError, match=r"vpc-native is quiet did not .*: a, b"):
        settled(lab)


def test_the_small_topology_with_two_workers(tmp_path: Path) -> None:
    plan = resolve(load(two_workers(tmp_path)))
    (cluster,) = plan.clusters
    assert (plan.name, cluster.name) == (NAME, NAME)
    assert len(cluster.workers) == 2
    assert len({worker.zone for worker in cluster.workers}) == 2
    small = resolve(load(ROOT / "clusters" / "small.yaml"))
    assert plan.subnets[0].primary == small.subnets[0].primary
    assert plan.external_range == small.external_range

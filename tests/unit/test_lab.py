"""What travels through the steps: a lab's places and tools, and how values are merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gkelab.lab import Lab, manifest, manifests, merge
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path, Recorder())


@pytest.mark.parametrize(
    ("base", "changes", "merged"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"y": 2, "z": 2}}, {"a": {"x": 1, "y": 2, "z": 2}}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}, {"a": {"b": {"c": 1, "d": 2}}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}),
    ],
)
def test_mappings_are_merged_and_all_else_is_replaced(
    base: dict[str, Any], changes: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert merge(base, changes) == merged


def test_a_merge_leaves_both_sides_alone() -> None:
    base: dict[str, Any] = {"a": {"list": [1]}}
    changes: dict[str, Any] = {"b": {"list": [2]}}
    merged = merge(base, changes)
    merged["a"]["list"].append(9)
    merged["b"]["list"].append(9)
    assert (base, changes) == ({"a": {"list": [1]}}, {"b": {"list": [2]}})


def test_manifests_are_data() -> None:
    assert manifest("metallb/values.yaml")["speaker"]["frr"] == {"enabled": False}
    kinds = [item["kind"] for item in manifests("workloads/whoami.yaml")]
    assert kinds == ["Namespace", "Deployment", "Service", "Service"]


def test_all_of_a_lab_is_in_its_own_folder(lab: Lab, tmp_path: Path) -> None:
    assert lab.name == "vpc-native"
    assert lab.folder == tmp_path / "state" / "vpc-native"
    assert lab.kubeconfig == lab.folder / "kubeconfig"


def test_programs_are_the_suppliers(lab: Lab) -> None:
    assert str(lab.kind.program) == "/supply/tools/kind"
    assert str(lab.helm.program) == "/supply/tools/helm"
    assert str(lab.istioctl.program) == "/supply/tools/istioctl"
    kubectl = lab.kubectl("vpc-native")
    assert (str(kubectl.program), kubectl.context) == ("/supply/tools/kubectl", "kind-vpc-native")
    assert kubectl.kubeconfig == lab.kubeconfig


def test_what_the_lab_makes_carries_its_label(lab: Lab) -> None:
    assert lab.labels("node") == {"gkelab.lab": "vpc-native", "gkelab.role": "node"}


def test_a_log_begins_empty(lab: Lab) -> None:
    log = lab.log("kind-one")
    log.write_text("of the last run")
    assert lab.log("kind-one") == log == lab.folder / "logs" / "kind-one.log"
    assert log.read_text() == ""

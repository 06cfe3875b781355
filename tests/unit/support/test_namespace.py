"""When a test's workloads count as rolled out, and which labels its objects carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.namespace import Namespace, _rolled_out
from tests.support.recorder import Recorder
from tests.support.running import description, run_of
from tests.unit.steps import applied_objects, applies, make_lab


def workload(kind: str, status: dict[str, int], **spec: int) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status}


ASKED = {"observedGeneration": 2, "desiredNumberScheduled": 2}


@pytest.mark.parametrize(
    ("item", "counts"),
    [
        (workload("DaemonSet", {}), (0, 1)),
        (workload("DaemonSet", ASKED | {"observedGeneration": 1}), (0, 1)),
        (workload("DaemonSet", ASKED), (0, 2)),
        (workload("DaemonSet", ASKED | {"updatedNumberScheduled": 2}), (0, 2)),
        (workload("DaemonSet", ASKED | {"updatedNumberScheduled": 2, "numberReady": 2}), (2, 2)),
        (workload("DaemonSet", ASKED | {"updatedNumberScheduled": 1, "numberReady": 2}), (1, 2)),
        (workload("Deployment", {"observedGeneration": 2}, replicas=3), (0, 3)),
        (
            workload(
                "Deployment",
                {"observedGeneration": 2, "updatedReplicas": 3, "readyReplicas": 2},
                replicas=3,
            ),
            (2, 3),
        ),
    ],
)
def test_rolled_out(item: dict[str, Any], counts: tuple[int, int]) -> None:
    assert _rolled_out(item) == counts


def test_what_is_placed_elsewhere_carries_the_runs_labels(tmp_path: Path) -> None:
    """Of what is in the namespace nothing does: it goes with that."""
    run = Recorder()
    lab = make_lab(tmp_path, run)
    space = Namespace("t-x", lab.kubectl(lab.plan.clusters[0].name), lab.plan.clusters[0], lab)
    run.handle(applies(lab))
    inside: dict[str, Any] = {"kind": "Service", "metadata": {"name": "a", "labels": {"b": "c"}}}
    away = {"name": "t-x-a", "namespace": "istio-system", "labels": {"b": "c"}}
    outside = {"kind": "Secret", "metadata": away}
    with run_of("r1"):
        space.apply([inside, outside])
    space.apply([outside])
    marks = {"gkelab.test": "true", "gkelab.test-run": "r1"}
    assert [[item["metadata"] for item in objects] for objects in applied_objects(run)] == [
        [
            {"name": "a", "namespace": "t-x", "labels": {"b": "c"}},
            {**away, "labels": {"b": "c", **marks}},
        ],
        [{**away, "labels": {"b": "c", "gkelab.test": "true"}}],
    ]


def test_what_descriptions_say() -> None:
    with run_of("r1"):
        assert description() == "gkelab.test-run=r1"
    assert description() == "gkelab.test"

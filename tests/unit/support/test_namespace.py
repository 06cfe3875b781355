"""When a test's workloads count as rolled out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.namespace import _rolled_out


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

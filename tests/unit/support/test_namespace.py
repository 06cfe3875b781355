"""When a test's workloads count as rolled out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.namespace import _rolled_out


def workload(kind: str, status: dict[str, int], **spec: int) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("item", "counts"),
    [
        (workload("DaemonSet", {}), (0, 1)),
        (workload("DaemonSet", {"observedGeneration": 1, "desiredNumberScheduled": 0}), (0, 1)),
        (workload("DaemonSet", {"observedGeneration": 2, "desiredNumberScheduled": 2}), (0, 2)),
        (
            workload(
                "DaemonSet",
                {
                    "observedGeneration": 2,
                    "desiredNumberScheduled": 2,
                    "updatedNumberScheduled": 2,
                },
            ),
            (2, 2),
        ),
        (workload("Deployment", {"observedGeneration": 2}, replicas=3), (0, 3)),
        (
            workload("Deployment", {"observedGeneration": 2, "updatedReplicas": 3}, replicas=3),
            (3, 3),
        ),
    ],
)
def test_rolled_out(item: dict[str, Any], counts: tuple[int, int]) -> None:
    assert _rolled_out(item) == counts

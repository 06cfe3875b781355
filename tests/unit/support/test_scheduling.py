"""The scheduler's reasons, as the API has them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scheduling import unschedulable

FULL = "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't match Pod's node selector."


def pod(*conditions: dict[str, str]) -> dict[str, Any]:
    return {"kind": "Pod", "status": {"phase": "Pending", "conditions": list(conditions)}}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (None, ""),
        ({"kind": "Pod"}, ""),
        (pod(), ""),
        (pod({"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}), ""),
        (
            pod(
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": FULL,
                }
            ),
            FULL,
        ),
        (pod({"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}), ""),
    ],
)
def test_why(item: dict[str, Any] | None, why: str) -> None:
    assert unschedulable(item) == why

"""Events, in the API's form (core/v1, as MetalLB's recorder and the newer one write them)."""

from __future__ import annotations

import json
from pathlib import Path

from gkelab.tools.kubectl import Kubectl
from tests.support.events import Event, events
from tests.support.recorder import Recorder

REFUSED = 'Failed to allocate IP for "t/rival": port TCP/80 is already in use on "203.0.113.13"'
LIST = {
    "items": [
        {
            "involvedObject": {"kind": "Service", "name": "rival"},
            "type": "Warning",
            "reason": "AllocationFailed",
            "message": REFUSED,
            "count": 3,
            "series": None,
        },
        {
            "involvedObject": {"kind": "Pod", "name": "rival"},
            "type": "Normal",
            "reason": "Scheduled",
            "message": "Successfully assigned t/rival",
            "count": None,
            "eventTime": "2026-11-22T02:00:00.000000Z",
        },
        {
            "involvedObject": {"kind": "Service", "name": "rival"},
            "type": "Normal",
            "reason": "IPAllocated",
            "series": {"count": 2},
        },
    ]
}


def test_those_of_the_object() -> None:
    run = Recorder()
    kubectl = Kubectl(Path("kubectl"), Path("/k/config"), "kind-a", run)
    run.handle(kubectl.argv("get", "events", "--namespace=t", "--output=json"), json.dumps(LIST))
    assert events(kubectl, "t", "Service", "rival") == [
        Event("Warning", "AllocationFailed", REFUSED, 3),
        Event("Normal", "IPAllocated", "", 2),
    ]
    assert [event.count for event in events(kubectl, "t", "Pod", "rival")] == [1]

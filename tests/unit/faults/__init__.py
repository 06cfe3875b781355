"""What tests of faults share: pods and Services as a cluster tells of them, and a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gkelab.faults.stage import Stage
from gkelab.topology import ResolvedTopology
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab

Object = dict[str, Any]


def stage_of(folder: Path, run: Recorder, plan: ResolvedTopology | None = None) -> Stage:
    """The stage of the recorded lab, or of another plan's first cluster."""
    lab = make_lab(folder, run, plan)
    return Stage(lab, lab.plan.clusters[0])


def pod(
    name: str,
    node: str,
    *,
    container: str = "c",
    number: str = "1",
    ready: bool = True,
    leaving: bool = False,
    ip: str = "",
) -> Object:
    """A pod; `number` is its container's id."""
    metadata: Object = {"name": name, "uid": f"uid-{name}"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"nodeName": node},
        "status": {
            "podIP": ip,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": container, "containerID": f"containerd://{number}"}],
        },
    }


def balanced(address: str) -> Object:
    """A Service with a load balancer's address, "" for none yet."""
    ingress = [{"ip": address}] if address else None
    return {"status": {"loadBalancer": {"ingress": ingress} if ingress else {}}}

"""Load balancers of tests: their objects, and the refusal that an event tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gkelab.tools.kubectl import Kubectl
from tests.support.balancers import balancer, refusal
from tests.support.namespace import Namespace
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab

WHY = 'Failed to allocate IP for "t/a": ["198.51.100.126"] is not allowed in config'


def space(tmp_path: Path, run: Recorder, status: dict[str, Any]) -> Namespace:
    """A namespace with one Service `a`, about which MetalLB has told something."""
    lab = make_lab(tmp_path, run)
    kubectl = Kubectl(Path("kubectl"), Path("/k/config"), "kind-a", run)
    told = {"kind": "Service", "name": "a"}
    normal = {"involvedObject": told, "type": "Normal", "reason": "nodeAssigned", "message": "x"}
    warning = {"involvedObject": told, "type": "Warning", "reason": "AllocationFailed"}
    items = {"items": [normal, {**warning, "message": WHY}]}
    run.handle(kubectl.argv("get", "events", "--namespace=t", "--output=json"), json.dumps(items))
    words = ["--namespace=t", "get", "service", "a", "--ignore-not-found", "--output=json"]
    run.handle(kubectl.argv(*words), json.dumps({"status": {"loadBalancer": status}}))
    return Namespace("t", kubectl, lab.plan.clusters[0], lab)


def test_a_refusal(tmp_path: Path) -> None:
    assert refusal(space(tmp_path, Recorder(), {}), "a") == WHY


def test_no_refusal_where_there_is_an_address(tmp_path: Path) -> None:
    given = {"ingress": [{"ip": "203.0.113.1"}]}
    with pytest.raises(AssertionError, match=r"a has .*203\.0\.113\.1"):
        refusal(space(tmp_path, Recorder(), given), "a")


def test_an_object() -> None:
    made = balancer("a", 53, protocol="UDP", target=9001, loadBalancerIP="203.0.113.14")
    assert made["metadata"] == {"name": "a", "annotations": {}}
    assert made["spec"] == {
        "type": "LoadBalancer",
        "selector": {"app": "server"},
        "ports": [{"port": 53, "protocol": "UDP", "targetPort": 9001}],
        "loadBalancerIP": "203.0.113.14",
    }

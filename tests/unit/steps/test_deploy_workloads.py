"""The sample workloads, and the image that manifests leave open."""

from __future__ import annotations

import json

import pytest

from gkelab.graph import CACHED
from gkelab.lab import Lab, manifests
from gkelab.steps.deploy_workloads import deploy_mesh_workloads, deploy_workloads, with_image
from tests.support.recorder import Recorder
from tests.unit.steps import (
    Object,
    applied_objects,
    fresh,
    kubectl,
)

OPEN = {"name": "mine", "image": "gkelab/workload"}
FOREIGN = {"name": "theirs", "image": "nginx:1.29"}
ALIKE = {"name": "alike", "image": "gkelab/workload:0"}
PINNED = "gkelab/workload:1"


def pod_spec() -> Object:
    return {
        "initContainers": [dict(OPEN), dict(FOREIGN)],
        "containers": [dict(FOREIGN), dict(OPEN), dict(ALIKE)],
    }


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "DaemonSet", "StatefulSet", "Job"])
def test_the_workloads_image_is_filled_in_and_no_other(lab: Lab, kind: str) -> None:
    spec = pod_spec() if kind == "Pod" else {"template": {"spec": pod_spec()}}
    (item,) = with_image(lab, [{"kind": kind, "metadata": {"name": "x"}, "spec": spec}])
    pod = item["spec"] if kind == "Pod" else item["spec"]["template"]["spec"]
    assert [c["image"] for c in pod["initContainers"]] == [PINNED, "nginx:1.29"]
    assert [c["image"] for c in pod["containers"]] == ["nginx:1.29", PINNED, "gkelab/workload:0"]


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "Namespace", "metadata": {"name": "x"}},
        {"kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 80}]}},
        {"kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [dict(FOREIGN)]}},
    ],
)
def test_what_has_no_such_image_stays_as_it_is(lab: Lab, item: Object) -> None:
    before = json.loads(json.dumps(item))
    assert with_image(lab, [item]) == [before]


@pytest.mark.parametrize("name", ["whoami", "mesh"])
def test_the_labs_own_manifests_leave_no_image_open(lab: Lab, name: str) -> None:
    text = json.dumps(with_image(lab, manifests(f"workloads/{name}.yaml")))
    assert f'"{PINNED}"' in text
    assert '"gkelab/workload"' not in text


def test_the_sample_is_applied_once(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    assert deploy_workloads(lab, lab.plan.clusters[0], applied) == "sample"
    assert deploy_workloads(lab, lab.plan.clusters[0], applied) == CACHED
    assert applied_objects(run) == [with_image(lab, manifests("workloads/whoami.yaml"))]


def test_the_meshs_are_applied_once_when_istiod_is_available(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    where = ["--namespace=istio-system", "wait", "deployment/istiod", "--for=condition=Available"]
    waits = kubectl(lab, *where, f"--timeout={lab.timeouts.rollout:.0f}s")
    run.handle(waits)
    assert deploy_mesh_workloads(lab, lab.plan.clusters[0], applied) == "sample-mesh"
    assert deploy_mesh_workloads(lab, lab.plan.clusters[0], applied) == CACHED
    assert run.times(*waits) == 1
    assert applied_objects(run) == [with_image(lab, manifests("workloads/mesh.yaml"))]


def test_what_changed_is_applied_again(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    applied.record("workloads", "another version of the manifest")
    assert deploy_workloads(lab, lab.plan.clusters[0], applied) == "sample"

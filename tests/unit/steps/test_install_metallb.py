"""MetalLB: its pools are the topology's, its speakers' key is made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gkelab.graph import CACHED
from gkelab.lab import Lab, manifest
from gkelab.steps.install_metallb import configure_pools, install_metallb, pools
from gkelab.wait import WaitError
from tests.support.recorder import Recorder
from tests.unit.steps import (
    Object,
    applied_objects,
    applies,
    find,
    fresh,
    kubectl,
    make_lab,
    two_regions,
)

OBJECTS = [{"kind": "DaemonSet", "metadata": {"name": "metallb-speaker"}}]
WEBHOOK = {
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "metallb-webhook-configuration"},
}


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    lab = make_lab(tmp_path, run)
    run.handle(template(lab), yaml.safe_dump_all([*OBJECTS, WEBHOOK]))
    return lab


def template(lab: Lab) -> list[str]:
    version = lab.supplier.pins.tools["kubectl"].version_of("built")
    return [
        *("/supply/tools/helm", "template", "metallb", "/supply/charts/metallb"),
        *("--namespace=metallb-system", "--include-crds", f"--kube-version={version}"),
        "--values=-",
    ]


def secret(lab: Lab) -> list[str]:
    return kubectl(
        lab,
        *("--namespace=metallb-system", "get", "secret", "metallb-memberlist"),
        *("--ignore-not-found", "--output=json"),
    )


def named(objects: list[Object], kind: str) -> list[str]:
    return [item["metadata"]["name"] for item in objects if item["kind"] == kind]


def test_the_chart_comes_with_its_namespace_and_the_speakers_key(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    run.handle(secret(lab), "")
    version = lab.supplier.pins.charts["metallb"].version
    assert install_metallb(lab, lab.plan.clusters[0], applied) == version
    ((*first, last),) = applied_objects(run)
    assert named(first, "Namespace") == ["metallb-system"]
    (key,) = [item["stringData"]["secretkey"] for item in first if item["kind"] == "Secret"]
    assert len(key) == 128
    assert last == OBJECTS[0]
    assert yaml.safe_load(run.calls[0].input or "") == manifest("metallb/values.yaml")


def test_a_key_that_is_there_stays(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    run.handle(secret(lab), '{"kind": "Secret"}')
    install_metallb(lab, lab.plan.clusters[0], applied)
    assert named(applied_objects(run)[0], "Secret") == []


def test_it_is_applied_once(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    run.handle(secret(lab), "")
    install_metallb(lab, lab.plan.clusters[0], applied)
    assert install_metallb(lab, lab.plan.clusters[0], applied) == CACHED
    assert len(applied_objects(run)) == 1


def test_pools_are_the_topologys_and_internal_addresses_are_only_given_when_asked_for(
    tmp_path: Path,
) -> None:
    cluster = two_regions().clusters[1]
    made = pools(cluster)
    external = find(made, "IPAddressPool", "external", "metallb-system")["spec"]
    internal = find(made, "IPAddressPool", "internal", "metallb-system")["spec"]
    assert external["addresses"] == [str(cluster.external_pool)] == ["203.0.113.16/28"]
    assert internal["addresses"] == [str(cluster.internal_pool)]
    assert (external["autoAssign"], internal["autoAssign"]) == (True, False)
    assert external["avoidBuggyIPs"] is internal["avoidBuggyIPs"] is True
    announced = find(made, "L2Advertisement", "pools", "metallb-system")["spec"]
    assert announced["ipAddressPools"] == ["external", "internal"]


def test_pools_are_told_with_their_ranges_once(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    cluster = lab.plan.clusters[0]
    assert configure_pools(lab, cluster, applied) == (
        f"external 203.0.113.0/28, internal {cluster.internal_pool}"
    )
    (objects,) = applied_objects(run)
    assert objects[:3] == pools(cluster)
    translated = ["gke-load-balancer-annotations", "gke-load-balancer-shared-address"]
    assert named(objects, "MutatingAdmissionPolicy") == translated
    assert named(objects, "MutatingAdmissionPolicyBinding") == translated
    assert configure_pools(lab, cluster, applied) == CACHED


def test_a_webhook_that_never_answers_is_told_and_not_recorded(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    refusing = Recorder()
    refusing.handle(applies(lab), code=1, stderr="failed calling webhook: connection refused\n")
    broken = make_lab(lab.paths.cache.parent, refusing)
    with pytest.raises(WaitError) as caught:
        configure_pools(broken, lab.plan.clusters[0], applied)
    assert str(caught.value).endswith("within 0 s: failed calling webhook: connection refused.")
    assert run.times(*applies(lab)) == 0

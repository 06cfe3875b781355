"""Cilium with Dataplane V2's settings, and what the cluster's place in the VPC adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gkelab.graph import CACHED
from gkelab.lab import Lab, manifest
from gkelab.steps.install_cilium import cilium_values, install_cilium, render_cilium
from gkelab.topology import parse, resolve
from tests.support.recorder import Recorder
from tests.unit.steps import applied_objects, applies, declared, fresh, make_lab, two_regions

CHART: list[dict[str, Any]] = [
    {"kind": "Namespace", "metadata": {"name": "cilium-secrets"}},
    {"kind": "DaemonSet", "metadata": {"name": "cilium"}},
    {"kind": "Deployment", "metadata": {"name": "hubble-relay"}},
]
PATCHES = manifest("cilium/patches.yaml")
OBJECTS = [item | PATCHES.get(f"{item['kind']}/{item['metadata']['name']}", {}) for item in CHART]


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    lab = make_lab(tmp_path, run)
    run.handle(template(lab), yaml.safe_dump_all(CHART))
    return lab


def template(lab: Lab) -> list[str]:
    version = lab.supplier.pins.tools["kubectl"].version_of("built")
    return [
        *("/supply/tools/helm", "template", "cilium", "/supply/charts/cilium"),
        *("--namespace=kube-system", "--include-crds", f"--kube-version={version}"),
        "--values=-",
    ]


def unmasqueraded(values: dict[str, Any]) -> list[str]:
    found: list[str] = values["ipMasqAgent"]["config"]["nonMasqueradeCIDRs"]
    return found


def test_only_what_leaves_the_vpc_is_masqueraded(lab: Lab) -> None:
    assert unmasqueraded(cilium_values(lab, lab.plan.clusters[0])) == [
        "10.128.0.0/20",  # nodes
        "10.0.0.0/20",  # pods
        "10.0.16.0/25",  # Services
        "192.168.240.0/20",  # on-prem
    ]


def test_ranges_outside_the_vpc_see_the_nodes_address(lab: Lab) -> None:
    kept = unmasqueraded(cilium_values(lab, lab.plan.clusters[0]))
    assert str(lab.plan.external_range) not in kept
    assert str(lab.plan.frontend_range) not in kept


def test_the_vpc_is_all_of_its_subnets(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, Recorder(), two_regions())
    us, europe = (cilium_values(lab, cluster) for cluster in lab.plan.clusters)
    assert unmasqueraded(us) == unmasqueraded(europe)
    assert {"10.128.0.0/20", "10.132.0.0/20"} <= set(unmasqueraded(us))
    assert us["k8sServiceHost"] == "10.128.0.2"
    assert europe["k8sServiceHost"] == "10.132.0.2"
    assert [us["cluster"], europe["cluster"]] == [{"name": "us"}, {"name": "europe"}]


def test_without_on_prem_there_is_none(tmp_path: Path) -> None:
    topology = {key: value for key, value in declared().items() if key != "onPrem"}
    lab = make_lab(tmp_path, Recorder(), resolve(parse(topology, "x.yaml")))
    kept = unmasqueraded(cilium_values(lab, lab.plan.clusters[0]))
    assert kept == ["10.128.0.0/20", "10.0.0.0/20", "10.0.16.0/25"]


def test_the_settings_are_dataplane_v2s(lab: Lab) -> None:
    values = cilium_values(lab, lab.plan.clusters[0])
    assert values["k8sServicePort"] == 6443
    assert values["kubeProxyReplacement"] is True
    assert values["routingMode"] == "native"
    assert values["bpf"]["masquerade"] is True
    assert values["ipMasqAgent"]["enabled"] is True  # beside what the place adds
    assert values["endpointRoutes"] == {"enabled": True}
    assert values["socketLB"] == {"hostNamespaceOnly": True}
    assert values["loadBalancer"] == {"serviceTopology": True}
    assert values["rollOutCiliumPods"] is True
    assert values["hubble"]["relay"]["enabled"] is True
    assert "ipMasqAgent" in manifest("cilium/values.yaml")


def test_the_chart_gets_these_values_and_is_rendered_once(lab: Lab, run: Recorder) -> None:
    cluster = lab.plan.clusters[0]
    assert render_cilium(lab, cluster).objects() == OBJECTS
    assert render_cilium(lab, cluster).objects() == OBJECTS
    assert run.argvs == [template(lab)]
    assert yaml.safe_load(run.calls[0].input or "") == cilium_values(lab, cluster)


def test_it_is_applied_where_the_cluster_has_it_not(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    version = lab.supplier.pins.charts["cilium"].version
    assert install_cilium(lab, lab.plan.clusters[0], applied) == version
    assert applied_objects(run) == [OBJECTS]


def test_what_kind_applied_itself_is_not_applied_again(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    applied.record("cilium", render_cilium(lab, lab.plan.clusters[0]).key)
    before = run.times(*applies(lab))
    assert install_cilium(lab, lab.plan.clusters[0], applied) == CACHED
    assert run.times(*applies(lab)) == before

"""CoreDNS is told whom to ask for what is not the cluster's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gkelab.errors import LabError
from gkelab.graph import CACHED
from gkelab.steps.resolve_outside import resolve_outside
from tests.support.recorder import Recorder
from tests.unit.steps import fresh, kubectl, make_lab

COREFILE = """.:53 {
    kubernetes cluster.local {
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
}
"""
GET = [
    *("get", "configmap", "coredns"),
    *("--ignore-not-found", "--output=json"),
]


def test_it_asks_the_gateway(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    cluster = lab.plan.clusters[0]
    applied = fresh(lab, run)
    space = "--namespace=kube-system"
    run.handle(kubectl(lab, space, *GET), json.dumps({"data": {"Corefile": COREFILE}}))
    wanted = COREFILE.replace("/etc/resolv.conf", "10.128.0.1")
    patch = f"--patch={json.dumps({'data': {'Corefile': wanted}})}"
    run.handle(kubectl(lab, "patch", "configmap", "coredns", space, patch))
    assert resolve_outside(lab, cluster, applied) == "10.128.0.1"
    assert resolve_outside(lab, cluster, applied) == CACHED


def test_a_configuration_that_forwards_nothing_is_refused(tmp_path: Path) -> None:
    run = Recorder()
    lab = make_lab(tmp_path, run)
    run.handle(
        kubectl(lab, "--namespace=kube-system", *GET), json.dumps({"data": {"Corefile": ".:53 {}"}})
    )
    with pytest.raises(LabError, match="forwards nothing"):
        resolve_outside(lab, lab.plan.clusters[0], fresh(lab, run))

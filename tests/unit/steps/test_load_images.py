"""Images that come late: onto the nodes that need them and lack them, under their full names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.steps.load_images import full_name, load_image
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, inside, make_lab

CTR = ("ctr", "--namespace", "k8s.io", "images")
RELAY = "quay.io/cilium/hubble-relay:v1.19.6"
WORKERS = ("vpc-native-worker", "vpc-native-worker2")


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    for image in ("hubble-relay", "cilium", "workload"):
        (tmp_path / f"{image}.tar").write_bytes(b"layers")
    return make_lab(tmp_path, run, supplier=FakeSupplier(root=tmp_path))


def lists(run: Recorder, node: str, reference: str, stdout: str = "") -> None:
    run.handle(inside(node, *CTR, "list", "--quiet", f"name=={reference}"), stdout)


def imports(node: str) -> list[str]:
    return inside(node, *CTR, "import", "--no-unpack", "-", stdin=True)


def test_only_nodes_of_the_images_roles_get_it(lab: Lab, run: Recorder) -> None:
    for node in WORKERS:
        lists(run, node, RELAY)
        run.handle(imports(node))
    assert load_image(lab, lab.plan.clusters[0], "hubble-relay") == "2 nodes"
    assert run.times("docker", "exec", "--interactive") == 2
    assert not any("vpc-native-control-plane" in argv for argv in run.argvs)


def test_an_image_for_all_roles_goes_everywhere(lab: Lab, run: Recorder) -> None:
    for node in ("vpc-native-control-plane", *WORKERS):
        lists(run, node, "quay.io/cilium/cilium:v1.19.6")
        run.handle(imports(node))
    assert load_image(lab, lab.plan.clusters[0], "cilium") == "3 nodes"


def test_a_node_that_has_it_does_not_get_it_again(lab: Lab, run: Recorder) -> None:
    lists(run, WORKERS[0], RELAY, f"{RELAY}\n")
    lists(run, WORKERS[1], RELAY)
    run.handle(imports(WORKERS[1]))
    assert load_image(lab, lab.plan.clusters[0], "hubble-relay") == "1 nodes"


def test_when_all_have_it_there_is_nothing_to_tell(lab: Lab, run: Recorder) -> None:
    for node in WORKERS:
        lists(run, node, "docker.io/gkelab/workload:1", "docker.io/gkelab/workload:1\n")
    assert load_image(lab, lab.plan.clusters[0], "workload") == CACHED
    assert len(run.calls) == 2


@pytest.mark.parametrize(
    ("reference", "full"),
    [
        ("quay.io/cilium/cilium:v1", "quay.io/cilium/cilium:v1"),
        ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.10.2"),
        ("docker.io/istio/pilot:1.30.3", "docker.io/istio/pilot:1.30.3"),
        ("gkelab/workload:1", "docker.io/gkelab/workload:1"),
        ("kindest/node:v1.36.4", "docker.io/kindest/node:v1.36.4"),
    ],
)
def test_full_names(reference: str, full: str) -> None:
    assert full_name(reference) == full


def test_every_pinned_image_has_a_registry_in_its_full_name(lab: Lab) -> None:
    for image, pin in lab.supplier.pins.images.items():
        for reference in (pin.ref("upstream"), pin.ref("built")):
            registry, *rest = full_name(reference).split("/")
            assert "." in registry, image
            assert rest, image

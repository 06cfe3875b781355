"""Images that come late: onto the nodes that need them and lack them, under their full names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.steps.load_images import full_name, load_image
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, inside, make_lab

CTR = ("ctr", "--namespace", "k8s.io", "images")
RELAY = "quay.io/cilium/hubble-relay:v1.19.6"
ORIGIN = "hubble-relay-0123456789ab"  # the archive's entry in the cache
WORKERS = ("vpc-native-worker", "vpc-native-worker2")


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    root = tmp_path / ORIGIN
    root.mkdir()
    for image in ("hubble-relay", "cilium", "workload"):
        (root / f"{image}.tar").write_bytes(b"layers")
    return make_lab(tmp_path, run, supplier=FakeSupplier(root=root))


def lists(run: Recorder, node: str, reference: str, stdout: str = "") -> None:
    """Expect the question for the image of that name and of this archive."""
    right = f"name=={reference},labels.gkelab.origin=={ORIGIN}"
    run.handle(inside(node, *CTR, "list", "--quiet", right), stdout)


def imports(run: Recorder, node: str, reference: str) -> list[list[str]]:
    """Expect, and return, what loads an image."""
    argvs = [
        inside(node, *CTR, "import", "--no-unpack", "-", stdin=True),
        inside(node, *CTR, "label", reference, f"gkelab.origin={ORIGIN}"),
    ]
    for argv in argvs:
        run.handle(argv)
    return argvs


def test_only_nodes_of_the_images_roles_get_it(lab: Lab, run: Recorder) -> None:
    for node in WORKERS:
        lists(run, node, RELAY)
        imports(run, node, RELAY)
    assert load_image(lab, lab.plan.clusters[0], "hubble-relay") == "2 nodes"
    assert run.times("docker", "exec", "--interactive") == 2
    assert not any("vpc-native-control-plane" in argv for argv in run.argvs)


def test_an_image_for_all_roles_goes_everywhere(lab: Lab, run: Recorder) -> None:
    for node in ("vpc-native-control-plane", *WORKERS):
        lists(run, node, "quay.io/cilium/cilium:v1.19.6")
        imports(run, node, "quay.io/cilium/cilium:v1.19.6")
    assert load_image(lab, lab.plan.clusters[0], "cilium") == "3 nodes"


def test_a_node_that_has_it_does_not_get_it_again(lab: Lab, run: Recorder) -> None:
    lists(run, WORKERS[0], RELAY, f"{RELAY}\n")
    lists(run, WORKERS[1], RELAY)
    argvs = imports(run, WORKERS[1], RELAY)
    assert load_image(lab, lab.plan.clusters[0], "hubble-relay") == "1 nodes"
    assert [argv for argv in run.argvs if argv in argvs] == argvs  # what is labelled is whole


def test_an_import_that_fails_is_not_labelled(lab: Lab, run: Recorder) -> None:
    """So that the next `up` does it again."""
    for node in WORKERS:
        lists(run, node, RELAY)
        run.handle(
            inside(node, *CTR, "import", "--no-unpack", "-", stdin=True),
            code=1,
            stderr="ctr: no space left on device",
        )
    with pytest.raises(CommandError, match="no space left on device"):
        load_image(lab, lab.plan.clusters[0], "hubble-relay")
    assert not [argv for argv in run.argvs if "label" in argv]


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

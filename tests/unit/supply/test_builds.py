"""The go.mod files that build the programs: they share versions, and build what is pinned."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from gkelab.supply.pins import ROOT, load_pins

BUILDS = sorted(path.parent.name for path in (ROOT / "builds").glob("*/go.mod"))
# What cannot be shared, and why: MODULE -> a sentence. Everything else must be one version.
APART = {
    r"k8s\.io/(api|apiextensions-apiserver|apimachinery|apiserver|cli-runtime|client-go|"
    r"component-base|kubectl)": "replaced: Cilium and MetalLB do not compile with Kubernetes' own",
    r"sigs\.k8s\.io/controller-runtime": "follows k8s.io and what its user calls",
}


def requirements(build: str) -> dict[str, str]:
    """Module -> version, of builds/BUILD/go.mod, before replacements."""
    text = (ROOT / "builds" / build / "go.mod").read_text()
    return dict(re.findall(r"^\t(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE))


@pytest.mark.parametrize(("one", "other"), list(combinations(BUILDS, 2)))
def test_builds_share_the_versions_of_what_they_share(one: str, other: str) -> None:
    """Or the Go build cache would hold, and the machine compile, each of them twice."""
    mine, theirs = requirements(one), requirements(other)
    shared = [
        module
        for module in mine.keys() & theirs.keys()
        if not any(re.fullmatch(pattern, module) for pattern in APART)
    ]
    assert len(shared) > 30
    assert {m: mine[m] for m in shared} == {m: theirs[m] for m in shared}


def test_every_pinned_module_is_what_its_build_requires() -> None:
    for name, pin in load_pins().modules.items():
        if pin.build:
            assert requirements(pin.build)[pin.path] == pin.version, name
            tools = (ROOT / "builds" / pin.build / "go.mod").read_text()
            for package in pin.packages.values():
                assert re.search(rf"^\t{re.escape(package)}$", tools, re.MULTILINE), package


def test_no_build_is_left_without_a_module() -> None:
    assert {pin.build for pin in load_pins().modules.values() if pin.build} == set(BUILDS)

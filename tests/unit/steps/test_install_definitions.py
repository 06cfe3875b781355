"""Pinned kinds: the supplier's file, as it is, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.shell import CommandError
from gkelab.steps.install_definitions import install_definitions
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, applies, fresh, make_lab, reads_record

KINDS = "---\nkind: CustomResourceDefinition\nmetadata: {name: gateways}   # as it was\n"


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    supplier = FakeSupplier(root=tmp_path)
    file = supplier.definitions("gateway-api")
    file.parent.mkdir()
    file.write_text(KINDS)
    return make_lab(tmp_path, run, supplier=supplier)


def test_the_file_is_applied_as_it_is_and_once(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    cluster = lab.plan.clusters[0]
    version = lab.supplier.pins.definitions["gateway-api"].version
    assert install_definitions("gateway-api", lab, cluster, applied) == version
    assert next(call.input for call in run.calls if "apply" in call.argv) == KINDS
    assert "--server-side" in applies(lab)  # its objects are too large for an annotation
    before = run.times(*applies(lab))
    assert install_definitions("gateway-api", lab, cluster, applied) == CACHED
    assert run.times(*applies(lab)) == before


def test_another_version_is_applied_over_it(lab: Lab, run: Recorder) -> None:
    applied = fresh(lab, run)
    install_definitions("gateway-api", lab, lab.plan.clusters[0], applied)
    pins = lab.supplier.pins
    pin = pins.definitions["gateway-api"].model_copy(update={"version": "v9"})
    other = pins.model_copy(update={"definitions": {"gateway-api": pin}})
    newer = replace(lab, supplier=FakeSupplier(root=lab.paths.cache.parent, pins=other))
    assert install_definitions("gateway-api", newer, lab.plan.clusters[0], applied) == "v9"


def test_what_is_refused_is_not_recorded(lab: Lab, run: Recorder) -> None:
    run.handle(reads_record(lab), "")
    run.handle(applies(lab), code=1, stderr="error: the server is too busy")
    applied = Applied(lab.kubectl(lab.plan.clusters[0].name))
    with pytest.raises(CommandError, match="too busy"):
        install_definitions("gateway-api", lab, lab.plan.clusters[0], applied)
    assert run.times(*applies(lab)) == 1

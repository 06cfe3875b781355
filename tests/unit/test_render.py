"""Charts are rendered once for the same version and values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.render import chart_key, istio_key, render_chart, render_istio
from gkelab.shell import CommandError
from tests.support.recorder import Recorder
from tests.unit.steps import FakeSupplier, make_lab

OBJECTS = [{"kind": "Namespace"}, {"kind": "DaemonSet", "spec": {"on": "yes"}}]
VALUES = {"a": {"b": 1}, "c": [2]}


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    return make_lab(tmp_path, run)


def template(lab: Lab) -> list[str]:
    version = lab.supplier.pins.tools["kubectl"].version_of(lab.supplier.name)
    return [
        *("/supply/tools/helm", "template", "metallb", "/supply/charts/metallb"),
        *("--namespace=metallb-system", "--include-crds", f"--kube-version={version}"),
        "--values=-",
    ]


def generate(lab: Lab) -> list[str]:
    file = lab.folder / "istio" / "istio-operator.yaml"
    return ["/supply/tools/istioctl", "manifest", "generate", f"--filename={file}"]


def test_a_chart_is_rendered_once(lab: Lab, run: Recorder) -> None:
    run.handle(template(lab), yaml.safe_dump_all([*OBJECTS, None]))
    first = render_chart(lab, "metallb", "metallb-system", VALUES)
    second = render_chart(lab, "metallb", "metallb-system", VALUES)
    assert first == second
    assert first.objects() == OBJECTS
    assert run.argvs == [template(lab)]
    assert first.key == chart_key(lab, "metallb", VALUES)


def test_patches_are_merged_into_the_objects_that_they_name(lab: Lab, run: Recorder) -> None:
    relay = {
        "kind": "Deployment",
        "metadata": {"name": "relay"},
        "spec": {"containers": [{"name": "a", "probe": {"delay": 10, "port": 1}}, {"name": "b"}]},
    }
    run.handle(template(lab), yaml.safe_dump_all([relay, {"kind": "X", "metadata": {"name": "x"}}]))
    patches = {"Deployment/relay": {"spec": {"containers": [{"probe": {"delay": 1}}]}}}
    made = render_chart(lab, "metallb", "metallb-system", VALUES, patches)
    containers = made.objects()[0]["spec"]["containers"]
    assert containers == [{"name": "a", "probe": {"delay": 1, "port": 1}}, {"name": "b"}]
    assert made.key != chart_key(lab, "metallb", VALUES)


def test_an_object_whose_patch_is_none_is_taken_out(lab: Lab, run: Recorder) -> None:
    hook, kept = ({"kind": "X", "metadata": {"name": name}} for name in ("hook", "kept"))
    run.handle(template(lab), yaml.safe_dump_all([hook, kept]))
    made = render_chart(lab, "metallb", "metallb-system", VALUES, {"X/hook": None})
    assert made.objects() == [kept]


def test_a_patch_of_nothing_is_refused(lab: Lab, run: Recorder) -> None:
    run.handle(template(lab), yaml.safe_dump({"kind": "X", "metadata": {"name": "x"}}))
    with pytest.raises(LabError, match="There is no Deployment/relay to patch"):
        render_chart(lab, "metallb", "metallb-system", VALUES, {"Deployment/relay": {}})


def test_the_cache_is_the_machines_and_not_the_labs(lab: Lab, run: Recorder) -> None:
    run.handle(template(lab), yaml.safe_dump_all(OBJECTS))
    rendered = render_chart(lab, "metallb", "metallb-system", VALUES)
    assert rendered.file.is_relative_to(lab.paths.cache)


def test_other_values_are_rendered_anew(lab: Lab, run: Recorder) -> None:
    run.handle(template(lab), yaml.safe_dump_all(OBJECTS))
    first = render_chart(lab, "metallb", "metallb-system", VALUES)
    second = render_chart(lab, "metallb", "metallb-system", VALUES | {"c": [3]})
    assert first.key != second.key
    assert first.file != second.file
    assert len(run.calls) == 2


def test_the_key_follows_the_charts_name_version_and_values_alone(lab: Lab) -> None:
    key = chart_key(lab, "metallb", VALUES)
    assert chart_key(lab, "metallb", {"c": [2], "a": {"b": 1}}) == key
    assert chart_key(lab, "cilium", VALUES) != key
    pins = lab.supplier.pins
    newer = pins.charts["metallb"].model_copy(update={"version": "9.9.9"})
    changed = pins.model_copy(update={"charts": pins.charts | {"metallb": newer}})
    assert chart_key(replace(lab, supplier=FakeSupplier(pins=changed)), "metallb", VALUES) != key


def test_a_refused_rendering_leaves_nothing_behind(lab: Lab, run: Recorder) -> None:
    run.handle(template(lab), code=1, stderr="Error: values don't meet the schema")
    run.handle(template(lab), yaml.safe_dump_all(OBJECTS))
    with pytest.raises(CommandError, match="don't meet the schema"):
        render_chart(lab, "metallb", "metallb-system", VALUES)
    assert list((lab.paths.cache / "tmp").iterdir()) == []
    assert render_chart(lab, "metallb", "metallb-system", VALUES).objects() == OBJECTS


def test_istio_is_rendered_once_for_an_operator_and_its_version(lab: Lab, run: Recorder) -> None:
    run.handle(generate(lab), yaml.safe_dump_all(OBJECTS))
    operator = {"spec": {"tag": "1.31"}}
    rendered = render_istio(lab, operator)
    assert render_istio(lab, operator) == rendered
    assert rendered.objects() == OBJECTS
    assert run.argvs == [generate(lab)]
    assert istio_key(lab, {"spec": {"tag": "1.32"}}) != rendered.key
    upstream = replace(lab, supplier=FakeSupplier(name="upstream"))
    assert istio_key(upstream, operator) != rendered.key

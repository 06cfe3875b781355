"""Renders charts and Istio's operator to objects, once for the same version and values.

Rendering needs no cluster, so it happens while nodes boot; what was rendered before is read from
the cache, and its key says whether a cluster has it already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.supply.cache import Cache, content_key


@dataclass(frozen=True)
class Rendered:
    """Objects as a YAML file in the cache; `key` stands for all that they were made from."""

    key: str
    file: Path

    def objects(self) -> list[dict[str, Any]]:
        """The objects as data."""
        return [item for item in yaml.load_all(self.file.read_text(), yaml.CSafeLoader) if item]


def chart_key(
    lab: Lab, chart: str, values: Mapping[str, Any], patches: Mapping[str, Any] | None = None
) -> str:
    """The key of a chart's objects with these values and patches."""
    pin = lab.supplier.pins.charts[chart]
    return _key(lab, chart, pin.version, {**values, "/patches": patches} if patches else values)


def render_chart(
    lab: Lab,
    chart: str,
    namespace: str,
    values: Mapping[str, Any],
    patches: Mapping[str, Any] | None = None,
) -> Rendered:
    """A chart's objects with these values; `patches`, by "Kind/name", are merged into them.

    Raises LabError for a patch of an object that the chart does not have.
    """

    def template() -> str:
        kubernetes = lab.supplier.pins.tools["kubectl"].version_of(lab.supplier.name)
        folder = lab.supplier.chart(chart)
        text = lab.helm.template(chart, folder, namespace, kubernetes, values)
        return patched(text, patches) if patches else text

    return _render(lab, chart, chart_key(lab, chart, values, patches), template)


def istio_key(lab: Lab, operator: Mapping[str, Any]) -> str:
    """The key of the objects of an IstioOperator."""
    return _key(lab, "istio", lab.supplier.reference("istio-pilot"), operator)


def render_istio(lab: Lab, operator: Mapping[str, Any]) -> Rendered:
    """The objects of an IstioOperator, by istioctl, which carries Istio's charts."""
    return _render(
        lab,
        "istio",
        istio_key(lab, operator),
        lambda: lab.istioctl.generate(operator, lab.folder / "istio"),
    )


def patched(text: str, patches: Mapping[str, Any]) -> str:
    """YAML documents with patches merged in, by "Kind/name"; lists are merged item by item, and
    an object whose patch is None is taken out.

    Raises LabError for a patch of an object that is not there.
    """
    objects = [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]
    by_name = {f"{item['kind']}/{item.get('metadata', {}).get('name')}": item for item in objects}
    for name, patch in patches.items():
        if name not in by_name:
            raise LabError(f"There is no {name} to patch", "look at the chart's new version")
        if patch is None:
            objects.remove(by_name[name])
        else:
            by_name[name].update(_merged(by_name[name], patch))
    return yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False)


def _merged(base: Any, patch: Any) -> Any:
    if isinstance(patch, Mapping) and isinstance(base, Mapping):
        return {**base, **{key: _merged(base.get(key), value) for key, value in patch.items()}}
    if isinstance(patch, list) and isinstance(base, list):
        pairs = zip_longest(base, patch)
        return [_merged(old, new) if new is not None else old for old, new in pairs]
    return patch


def _key(lab: Lab, name: str, version: str, values: Mapping[str, Any]) -> str:
    return content_key(["render-1", name, version, json.dumps(dict(values), sort_keys=True)])


def _render(lab: Lab, name: str, key: str, make: Callable[[], str]) -> Rendered:
    def build(work: Path) -> None:
        (work / "objects.yaml").write_text(make())

    entry = Cache(lab.paths.cache).make("rendered", name, key, f"chart {name}", build)
    return Rendered(key, entry / "objects.yaml")

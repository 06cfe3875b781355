"""Renders charts and Istio's operator to objects, once for the same version and values.

Rendering needs no cluster, so it happens while nodes boot; what was rendered before is read from
the cache, and its key says whether a cluster has it already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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


def chart_key(lab: Lab, chart: str, values: Mapping[str, Any]) -> str:
    """The key of a chart's objects with these values."""
    pin = lab.supplier.pins.charts[chart]
    return _key(lab, chart, pin.version, values)


def render_chart(lab: Lab, chart: str, namespace: str, values: Mapping[str, Any]) -> Rendered:
    """A chart's objects with these values."""

    def template() -> str:
        kubernetes = lab.supplier.pins.tools["kubectl"].version_of(lab.supplier.name)
        folder = lab.supplier.chart(chart)
        return lab.helm.template(chart, folder, namespace, kubernetes, values)

    return _render(lab, chart, chart_key(lab, chart, values), template)


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


def _key(lab: Lab, name: str, version: str, values: Mapping[str, Any]) -> str:
    return content_key(["render-1", name, version, json.dumps(dict(values), sort_keys=True)])


def _render(lab: Lab, name: str, key: str, make: Callable[[], str]) -> Rendered:
    def build(work: Path) -> None:
        (work / "objects.yaml").write_text(make())

    entry = Cache(lab.paths.cache).make("rendered", name, key, f"chart {name}", build)
    return Rendered(key, entry / "objects.yaml")

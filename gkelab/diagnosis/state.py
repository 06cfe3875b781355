"""What this machine knows of a lab without asking it: its plan, what was applied, how long."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.diagnosis.bundle import Collector, Group, Source
from gkelab.lab import Lab
from gkelab.render import Rendered
from gkelab.steps.install_cilium import render_cilium
from gkelab.steps.install_istio import render_istio_objects
from gkelab.steps.install_metallb import pools, render_metallb
from gkelab.steps.start_cloud import adopt_cloud
from gkelab.supply.pins import ROOT

# Not for a bundle: the first are secrets, the others known by their version.
LEFT_OUT = ("Secret", "CustomResourceDefinition")

Objects = Sequence[dict[str, Any]]


def state_sources(lab: Lab) -> list[Source]:
    """The lab's own files (never its kubeconfig), the pins, and the manifests applied."""
    found: list[Source] = [
        Collector("timings.json", (lab.folder / "timings.json").read_text),
        Collector("versions.toml", (ROOT / "versions.toml").read_text),
        Collector("cloud.json", partial(_cloud, lab)),
        Collector("plan.json", lambda: json.dumps(lab.plan.to_dict(), indent=1) + "\n"),
        Group("logs", partial(_logs, lab.folder / "logs")),
        _manifest("metallb", _rendered(partial(render_metallb, lab))),
        _manifest("istio", _rendered(partial(render_istio_objects, lab))),
    ]
    for cluster in lab.plan.clusters:
        cilium = _rendered(partial(render_cilium, lab, cluster))
        found.append(_manifest(f"cilium.{cluster.name}", cilium))
        found.append(_manifest(f"pools.{cluster.name}", partial(pools, cluster)))
    return found


def _cloud(lab: Lab) -> str:
    """All that the cloud has."""
    adopt_cloud(lab)
    place = recorded(lab.cloud_file)
    return json.dumps(RestCloud(place.endpoint, place.project).state(), indent=1) + "\n"


def _logs(folder: Path) -> list[Collector]:
    return [Collector(f"logs/{log.name}", log.read_text) for log in sorted(folder.glob("*.log"))]


def _rendered(render: Callable[[], Rendered]) -> Callable[[], Objects]:
    return lambda: render().objects()


def _manifest(name: str, objects: Callable[[], Objects]) -> Collector:
    def text() -> str:
        kept = [item for item in objects() if item.get("kind") not in LEFT_OUT]
        return yaml.dump_all(kept, Dumper=yaml.CSafeDumper, sort_keys=False)

    return Collector(f"manifests/{name}.yaml", text)

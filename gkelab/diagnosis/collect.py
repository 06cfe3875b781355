"""All that can be known of a lab, in one folder and its archive, half up and stopped too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gkelab.access import has_context
from gkelab.diagnosis.bundle import Group, Source, fill, pack, within, write
from gkelab.diagnosis.dataplane import cilium_sources, envoy_sources
from gkelab.diagnosis.kubernetes import cluster_sources
from gkelab.diagnosis.nodes import container_sources
from gkelab.diagnosis.state import state_sources
from gkelab.diagnosis.suspects import Suspect, suspects
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.steps.create_cluster import adopt
from gkelab.topology import Cluster

API_ANSWERS = 10.0  # seconds


@dataclass(frozen=True)
class Bundle:
    """What was collected: the folder, its archive, how many files, what could not be collected
    (why, by path), and the first suspicious lines."""

    folder: Path
    archive: Path
    files: int
    missing: Mapping[str, str]
    suspects: tuple[Suspect, ...]


def collect(
    lab: Lab,
    output: Path,
    more: Callable[[Lab], Sequence[Source]] = lambda _: (),
    *,
    now: Callable[[], float] = time.monotonic,
) -> Bundle:
    """Collect a lab's state into a new folder under `output`. `more` gives further sources, for
    the lab whose commands end in time. Raises OSError when it cannot write there."""
    deadline = now() + lab.timeouts.collect
    limited = replace(lab, run=within(lab.run, deadline, lab.timeouts.collect_each, now))
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = output / f"logs-{lab.name}-{stamp}"
    folder.mkdir(parents=True)
    sources = [*more(limited), *state_sources(limited), *container_sources(limited)]
    for cluster in lab.plan.clusters:
        name = f"clusters/{cluster.name}"
        sources.append(Group(name, partial(_cluster, limited, cluster, name)))
    missing = fill(folder, sources, deadline=deadline, now=now)
    lines = suspects(folder)
    write(folder, "summary.txt", summary(lab.name, stamp, missing, lines))
    files = sum(path.is_file() for path in folder.rglob("*"))
    return Bundle(folder, pack(folder), files, missing, tuple(lines))


def summary(lab: str, stamp: str, missing: Mapping[str, str], lines: Sequence[Suspect]) -> str:
    """The bundle's first page."""
    parts = [f"lab {lab}, collected {stamp} (UTC)", "", "first suspicious lines:"]
    parts += [f"  {line}" for line in lines] or ["  none"]
    parts += ["", "what could not be collected:"]
    parts += [f"  {path}: {why}" for path, why in sorted(missing.items())] or ["  nothing"]
    return "\n".join(parts) + "\n"


def _cluster(lab: Lab, cluster: Cluster, folder: str) -> list[Source]:
    """What a cluster's API leads to. Raises LabError, which says why, where it cannot be asked."""
    node = lab.docker.container(cluster.control_plane.name)
    if node is None or node.state != "running":
        state = node.state if node else "not there"
        raise LabError(
            f"{cluster.control_plane.name} is {state}, so Kubernetes was not asked in cluster "
            f"{cluster.name}"
        )
    adopt(lab, cluster)
    if not has_context(lab, cluster):
        raise LabError(
            f"kind has not finished cluster {cluster.name}, so Kubernetes was not asked in it"
        )
    kubectl = lab.kubectl(cluster.name)
    kubectl("get", "--raw=/version", timeout=API_ANSWERS)
    return [
        *cluster_sources(kubectl, folder),
        *cilium_sources(kubectl, folder),
        *envoy_sources(kubectl, folder),
    ]

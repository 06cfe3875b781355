"""Kinds of Kubernetes that are pinned by themselves: those of the Gateway API, which GKE's clusters
have from the start, whoever serves them; and Cilium's, for which its agents else wait until the
operator has made them one by one."""

from __future__ import annotations

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.topology import Cluster


def install_definitions(name: str, lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply the pinned definitions of that name."""
    pin = lab.supplier.pins.definitions[name]

    def install() -> None:
        # As they are: of their megabytes of YAML nothing is to be changed.
        lab.kubectl(cluster.name).apply_text(lab.supplier.definitions(name).read_text())

    changed = applied.once(f"{name}-kinds", pin.model_dump(), install)
    return pin.version if changed else CACHED

"""Kinds that only GKE has, which the lab's controllers serve."""

from __future__ import annotations

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab, manifests
from gkelab.topology import Cluster


def install_gke_kinds(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply their definitions where they changed."""
    objects = manifests("gke/gcpfirewalls.yaml")
    changed = applied.once("gke-kinds", objects, lambda: lab.kubectl(cluster.name).apply(objects))
    return "GCPFirewall" if changed else CACHED

"""The sample workloads, outside the mesh and in it."""

from __future__ import annotations

from typing import Any

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab, manifests
from gkelab.topology import Cluster

IMAGE = "gkelab/workload"  # how manifests name the lab's workload image, without a tag


def deploy_workloads(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply the workloads that need no mesh."""
    objects = with_image(lab, manifests("workloads/whoami.yaml"))
    changed = applied.once("workloads", objects, lambda: lab.kubectl(cluster.name).apply(objects))
    return "sample" if changed else CACHED


def deploy_mesh_workloads(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply the workloads of the mesh once istiod, which injects their sidecars, is available."""
    objects = with_image(lab, manifests("workloads/mesh.yaml"))
    kubectl = lab.kubectl(cluster.name)

    def deploy() -> None:
        limit = lab.timeouts.rollout
        kubectl.wait("Available", "deployment/istiod", "istio-system", timeout=limit)
        kubectl.apply(objects)

    return "sample-mesh" if applied.once("mesh-workloads", objects, deploy) else CACHED


def with_image(lab: Lab, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects with the lab's own workload image, in pods and in templates of pods, under its
    pinned reference."""
    for item in objects:
        spec = item.get("spec", {})
        pod = spec.get("template", {}).get("spec", {}) if "template" in spec else spec
        for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
            if container["image"] == IMAGE:
                container["image"] = lab.supplier.reference("workload")
    return objects

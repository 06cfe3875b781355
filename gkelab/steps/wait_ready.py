"""Waits until a cluster is whole: nodes Ready, everything rolled out, addresses given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gkelab.graph import CACHED
from gkelab.lab import NAMESPACES, Lab
from gkelab.tools.kubectl import Object
from gkelab.topology import Cluster
from gkelab.wait import until

KINDS = "nodes,deployments,daemonsets,statefulsets,services"


@dataclass(frozen=True)
class Health:
    """What is not ready, each a short sentence; nothing in it means that all is."""

    missing: tuple[str, ...]


def wait_ready(lab: Lab, cluster: Cluster) -> str:
    """Wait for the whole cluster. Raises WaitError naming what did not become ready.

    An API server that does not answer for a moment (it may start anew) is waited for, too.
    """
    began = time.monotonic()
    kubectl, limit = lab.kubectl(cluster.name), lab.timeouts.kubectl
    until(
        lambda: health(cluster, kubectl.list(KINDS, timeout=limit)),
        lambda seen: not seen.missing,
        what=f"cluster {cluster.name} is ready",
        timeout=lab.timeouts.rollout,
        interval=1,
        describe=lambda seen: "; ".join(seen.missing),
        tolerant=True,
    )
    return "" if time.monotonic() - began > 1 else CACHED


def health(cluster: Cluster, objects: Sequence[Object]) -> Health:
    """Judge a snapshot of nodes, workloads and Services."""
    missing = [
        f"node {node.name} is not there"
        for node in cluster.nodes
        if not any(o["kind"] == "Node" and o["metadata"]["name"] == node.name for o in objects)
    ]
    nodes = [item for item in objects if item["kind"] == "Node"]
    for item in objects:
        if item["metadata"].get("namespace", NAMESPACES[0]) not in NAMESPACES:
            continue  # a person's own; what is wrong with it is not the lab's to wait for
        reason = _JUDGES[item["kind"]](item, nodes)
        if reason:
            namespace = item["metadata"].get("namespace")
            place = f" in {namespace}" if namespace else ""
            missing.append(f"{item['kind']} {item['metadata']['name']}{place} {reason}")
    return Health(tuple(missing))


def _node(item: Object, _: Sequence[Object]) -> str:
    for condition in item["status"].get("conditions", []):
        if condition["type"] == "Ready":
            if condition["status"] == "True":
                return "" if item["spec"].get("podCIDR") else "has no podCIDR"
            return f"is not Ready: {condition.get('message', '')}"
    return "says nothing yet"


def _deployment(item: Object, _: Sequence[Object]) -> str:
    status = item.get("status", {})
    wanted = item["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    updated = status.get("updatedReplicas", 0) if wanted else 0
    ready = min(updated, status.get("availableReplicas", status.get("readyReplicas", 0)))
    return "" if seen and ready >= wanted else f"has {ready} of {wanted} ready"


def _daemonset(item: Object, nodes: Sequence[Object]) -> str:
    status = item.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
    ready = min(status.get("numberAvailable", 0), status.get("updatedNumberScheduled", 0))
    if seen and wanted == 0:
        # Its controller may have looked before the nodes that it selects were there.
        return "runs nowhere yet" if _selects_one(item, nodes) else ""
    return "" if seen and ready >= wanted else f"has {ready} of {wanted} ready"


def _selects_one(item: Object, nodes: Sequence[Object]) -> bool:
    selector = item["spec"]["template"]["spec"].get("nodeSelector") or {}
    labels = [node["metadata"].get("labels") or {} for node in nodes]
    return any(selector.items() <= own.items() for own in labels)


def _service(item: Object, _: Sequence[Object]) -> str:
    if item["spec"].get("type") != "LoadBalancer":
        return ""
    given = item.get("status", {}).get("loadBalancer", {}).get("ingress")
    return "" if given else "has no address yet"


_JUDGES = {
    "Node": _node,
    "Deployment": _deployment,
    "StatefulSet": _deployment,
    "DaemonSet": _daemonset,
    "Service": _service,
}

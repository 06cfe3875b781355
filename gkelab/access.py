"""Whether the lab's kubeconfig leads to the lab: a person may have edited it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gkelab.errors import LabError
from gkelab.kubeconfig import read, remove_from_kubeconfig
from gkelab.lab import Lab
from gkelab.tools.docker import Container
from gkelab.tools.kind import context
from gkelab.topology import Cluster

API = "6443/tcp"  # what every control plane publishes on the host's loopback


def has_context(lab: Lab, cluster: Cluster) -> bool:
    """Whether the lab's kubeconfig knows the cluster (another checkout may have made it)."""
    return _named(read(lab.kubeconfig), "contexts", context(cluster.name)) is not None


def forget(lab: Lab, cluster: Cluster) -> None:
    """Take the cluster out of the lab's kubeconfig."""
    remove_from_kubeconfig(lab.kubeconfig, [context(cluster.name)])


def refuse_elsewhere(lab: Lab, cluster: Cluster, control_plane: Container) -> None:
    """Raise LabError when the kubeconfig's context of this cluster leads to another server than
    the one that the cluster's control plane, a container of this lab, publishes."""
    config = read(lab.kubeconfig)
    name = context(cluster.name)
    known = _named(config, "contexts", name)
    published = control_plane.ports.get(API)
    if known is None or published is None:
        return
    entry = _named(config, "clusters", str(_part(known, "context").get("cluster")))
    server = str(_part(entry or {}, "cluster").get("server", ""))
    if server != f"https://{published}":
        raise LabError(
            f"The lab's kubeconfig leads elsewhere: its context {name} has the server "
            f"{server or '(none)'}, while {control_plane.name} is https://{published}",
            f"remove the file, and it is made anew: {lab.kubeconfig}",
        )


def _named(config: Mapping[str, Any], part: str, name: str) -> Mapping[str, Any] | None:
    listed = config.get(part)
    entries = listed if isinstance(listed, list) else []
    return next((e for e in entries if isinstance(e, Mapping) and e.get("name") == name), None)


def _part(entry: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = entry.get(name)
    return part if isinstance(part, Mapping) else {}

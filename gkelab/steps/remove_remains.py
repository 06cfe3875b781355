"""What is left of nodes that are away: of one that was to be added, or deleted, and whoever was at
it was killed. A node is a container, a Node of Kubernetes, and an instance of the cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gkelab.cloud.asking import CloudError
from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.containers import look
from gkelab.graph import CACHED
from gkelab.lab import Lab
from gkelab.tools.docker import AWAY, LABEL
from gkelab.topology import Cluster, away_name, away_node

NODE_LABEL, CLUSTER_LABEL = "goog-gke-node", "goog-k8s-cluster-name"  # of instances


def clear_remains(lab: Lab, cluster: Cluster) -> str:
    """As `remove_remains`, for `up`."""
    return ", ".join(remove_remains(lab, cluster)) or CACHED


def remove_remains(lab: Lab, cluster: Cluster) -> list[str]:
    """Remove it, where there is any; the nodes' names. The cluster and the cloud must answer.

    Raises CommandError when Kubernetes refuses, CloudError when the cloud does.
    """
    removed = []
    for volume in lab.docker.volumes({LABEL: lab.name, AWAY: cluster.name}):
        told = away_node(volume)
        if told and remove_node(lab, cluster.name, told[1]):
            removed.append(told[1])
    return removed


def mark_away(lab: Lab, cluster: str, node: str) -> None:
    """From here on the node counts as not there, whatever there is of it."""
    lab.docker.create_volume(away_name(lab.name, node), lab.labels("node") | {AWAY: cluster})


def mark_there(lab: Lab, node: str) -> None:
    """From here on it counts as there."""
    lab.docker.remove_volumes([away_name(lab.name, node)])


def remove_node(lab: Lab, cluster: str, node: str) -> bool:
    """Remove whatever there is of a node of a cluster; whether there was a container or an
    instance. Of a node that no topology declares nothing tells any more, then."""
    lab.kubectl(cluster).delete("node", node)
    container = look(lab, node)
    if container is not None:
        lab.docker.remove_containers([container.id])
    place = recorded(lab.cloud_file)
    cloud = RestCloud(place.endpoint, place.project)
    zones = instance_zones(cloud.state(), cluster, node)
    for zone in zones:
        try:
            cloud.write("delete", "instances", zone, {"instance": node})
        except CloudError as error:
            if error.code != 404:  # somebody else was faster
                raise
    if node not in {one.name for one in lab.plan.declared.nodes}:
        mark_there(lab, node)
    return container is not None or bool(zones)


def instance_zones(state: Mapping[str, Any], cluster: str, node: str) -> list[str]:
    """The scopes (zones/ZONE) in which the cloud has an instance that is this node."""
    return [
        f"zones/{item['zone'].rpartition('/')[2]}"
        for item in state["resources"].get("instances", [])
        if item["name"] == node
        and NODE_LABEL in item.get("labels", {})
        and item["labels"].get(CLUSTER_LABEL) == cluster
    ]

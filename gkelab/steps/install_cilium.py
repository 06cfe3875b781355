"""Cilium with Dataplane V2's settings."""

from __future__ import annotations

from typing import Any

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab, manifest, merge
from gkelab.render import Rendered, render_chart
from gkelab.topology import Cluster

NAMESPACE = "kube-system"


def install_cilium(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply Cilium's chart where it changed.

    It does not wait: nodes become Ready when Cilium runs.
    """
    rendered = render_cilium(lab, cluster)
    kubectl = lab.kubectl(cluster.name)
    changed = applied.once("cilium", rendered.key, lambda: kubectl.apply(rendered.objects()))
    return lab.supplier.pins.charts["cilium"].version if changed else CACHED


def render_cilium(lab: Lab, cluster: Cluster) -> Rendered:
    """Cilium's objects for this cluster."""
    patches = manifest("cilium/patches.yaml")
    return render_chart(lab, "cilium", NAMESPACE, cilium_values(lab, cluster), patches)


def cilium_values(lab: Lab, cluster: Cluster) -> dict[str, Any]:
    """The chart's values: the manifest's, and what this cluster's place in the VPC adds.

    The ranges that keep the pod's address are the VPC's own (GKE: how-to/ip-masquerade-agent);
    whatever else a pod sends to sees its node's address.
    """
    vpc = [subnet.primary for subnet in lab.plan.subnets]
    vpc += [network for subnet in lab.plan.subnets for network in subnet.secondary_ranges.values()]
    vpc += [lab.plan.on_prem_range] if lab.plan.on_prem_range else []
    place = {
        # Without kube-proxy nothing else knows the way to the API server.
        "k8sServiceHost": str(cluster.control_plane.address),
        "k8sServicePort": 6443,
        "cluster": {"name": cluster.name},
        "ipMasqAgent": {"config": {"nonMasqueradeCIDRs": [str(network) for network in vpc]}},
    }
    return merge(manifest("cilium/values.yaml"), place)

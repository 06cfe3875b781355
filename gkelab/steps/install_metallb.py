"""MetalLB behind Services of type LoadBalancer, with an external and an internal pool."""

from __future__ import annotations

import secrets
from typing import Any

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab, manifest, manifests
from gkelab.render import Rendered, render_chart
from gkelab.topology import Cluster
from gkelab.wait import until

NAMESPACE = "metallb-system"


def install_metallb(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply MetalLB's chart; it does not wait for it to run."""
    rendered = render_metallb(lab)

    def install() -> None:
        first = [*manifests("metallb/namespace.yaml"), *_memberlist(lab, cluster)]
        lab.kubectl(cluster.name).apply([*first, *rendered.objects()])

    version = lab.supplier.pins.charts["metallb"].version
    return version if applied.once("metallb", rendered.key, install) else CACHED


def render_metallb(lab: Lab) -> Rendered:
    """MetalLB's objects."""
    values, patches = manifest("metallb/values.yaml"), manifest("metallb/patches.yaml")
    return render_chart(lab, "metallb", NAMESPACE, values, patches)


def _memberlist(lab: Lab, cluster: Cluster) -> list[dict[str, Any]]:
    """The speakers' shared key, made before they start: the controller would make it too, but
    pods that found no Secret to mount try again only after a while."""
    if lab.kubectl(cluster.name).get("secret", "metallb-memberlist", NAMESPACE):
        return []
    metadata = {"name": "metallb-memberlist", "namespace": NAMESPACE}
    key = secrets.token_urlsafe(96)
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {"secretkey": key},
        }
    ]


def configure_pools(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Give MetalLB its pools, as soon as the API serves them, and translate GKE's annotations."""
    objects = [*pools(cluster), *manifests("metallb/gke-annotations.yaml")]

    def configure() -> None:
        kubectl = lab.kubectl(cluster.name)
        until(
            lambda: kubectl.apply(objects, check=False),
            lambda said: said.code == 0,
            what="the API takes MetalLB's address pools",
            timeout=lab.timeouts.webhook,
            interval=1,
            describe=lambda said: said.stderr.strip(),
        )

    changed = applied.once("pools", objects, configure)
    return (
        f"external {cluster.external_pool}, internal {cluster.internal_pool}" if changed else CACHED
    )


def pools(cluster: Cluster) -> list[dict[str, Any]]:
    """MetalLB's pools and their layer-2 announcement. Addresses of the internal pool are given
    only to Services that ask for it, as on GKE a load balancer is external unless told."""

    def pool(name: str, network: object, auto: bool) -> dict[str, Any]:
        # Some clients take .0 and .255 for a network's own; Google gives neither.
        spec = {"addresses": [str(network)], "autoAssign": auto, "avoidBuggyIPs": True}
        return _object("IPAddressPool", name, spec)

    return [
        pool("external", cluster.external_pool, True),
        pool("internal", cluster.internal_pool, False),
        _object("L2Advertisement", "pools", {"ipAddressPools": ["external", "internal"]}),
    ]


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": metadata, "spec": spec}

"""MetalLB behind Services of type LoadBalancer, with an external and an internal pool."""

from __future__ import annotations

from typing import Any

import yaml

from gkelab.applied import Applied
from gkelab.lab import Lab, manifest, manifests
from gkelab.topology import Cluster
from gkelab.wait import until

NAMESPACE = "metallb-system"


def install_metallb(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Install MetalLB's chart; it does not wait for it to run."""
    values = manifest("metallb/values.yaml")
    chart = lab.supplier.pins.charts["metallb"]

    def install() -> None:
        kubectl = lab.kubectl(cluster.name)
        kubectl.apply(manifests("metallb/namespace.yaml"))
        lab.helm(cluster.name).upgrade("metallb", lab.supplier.chart("metallb"), NAMESPACE, values)

    return "" if not applied.once("metallb", [chart.version, values], install) else chart.version


def configure_pools(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Give MetalLB its pools, once its webhook answers, and translate GKE's annotations."""
    objects = [*pools(cluster), *manifests("metallb/gke-annotations.yaml")]

    def configure() -> None:
        kubectl = lab.kubectl(cluster.name)
        text = ["apply", "--server-side", "--force-conflicts", "--field-manager=gkelab"]
        until(
            lambda: kubectl(*text, "--filename=-", input=_dump(objects), check=False),
            lambda said: said.code == 0,
            what="MetalLB's webhook takes the address pools",
            timeout=lab.timeouts.webhook,
            interval=1,
            describe=lambda said: said.stderr.strip(),
        )

    changed = applied.once("pools", objects, configure)
    return f"external {cluster.external_pool}, internal {cluster.internal_pool}" if changed else ""


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


def _dump(objects: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False)

"""Istio: the default profile and an ingress gateway behind MetalLB."""

from __future__ import annotations

from typing import Any

from gkelab.applied import Applied
from gkelab.graph import CACHED
from gkelab.lab import Lab, manifest, merge
from gkelab.render import Rendered, render_istio
from gkelab.topology import Cluster
from gkelab.wait import until

NAMESPACE = "istio-system"
GATEWAY = "istio-ingressgateway"


def install_istio(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply Istio's control plane; it does not wait for istiod to run."""
    rendered = render_istio_objects(lab)

    def install() -> None:
        objects = [item for item in rendered.objects() if not is_gateway(item)]
        definitions = [item for item in objects if item["kind"] == "CustomResourceDefinition"]
        lab.kubectl(cluster.name).apply([_namespace(), *definitions])
        # A definition that was just made is served a moment later; what uses it may be refused.
        until(
            lambda: _apply(lab, cluster, [o for o in objects if o not in definitions]),
            lambda refusal: not refusal,
            what="Istio's objects are taken",
            timeout=lab.timeouts.webhook,
            interval=1,
        )

    version = lab.supplier.pins.tools["istioctl"].version_of(lab.supplier.name)
    return version if applied.once("istio", rendered.key, install) else CACHED


def install_gateway(lab: Lab, cluster: Cluster, applied: Applied) -> str:
    """Apply the ingress gateway once istiod is available: its pod mounts what istiod makes, and
    one that came too early is tried again only after a while."""
    rendered = render_istio_objects(lab)
    kubectl = lab.kubectl(cluster.name)

    def install() -> None:
        limit = lab.timeouts.rollout
        kubectl.wait("Available", "deployment/istiod", NAMESPACE, timeout=limit)
        kubectl.apply([item for item in rendered.objects() if is_gateway(item)])

    return GATEWAY if applied.once("gateway", rendered.key, install) else CACHED


def is_gateway(item: dict[str, Any]) -> bool:
    """Whether an object is the gateway's Deployment."""
    return bool(item["kind"] == "Deployment" and item["metadata"]["name"] == GATEWAY)


def render_istio_objects(lab: Lab) -> Rendered:
    """Istio's objects."""
    return render_istio(lab, istio_operator(lab))


def istio_operator(lab: Lab) -> dict[str, Any]:
    """The IstioOperator for this lab's images. Plain Envoy, which the built proxy image has,
    lacks Istio's own filters, so what needs them is off there."""
    pilot = lab.supplier.reference("istio-pilot")
    repository, tag = pilot.rsplit(":", 1)
    hub = repository.rsplit("/", 1)[0]
    operator = merge(manifest("istio/operator.yaml"), {"spec": {"hub": hub, "tag": tag}})
    if lab.supplier.name == "built":
        operator = merge(operator, manifest("istio/plain-envoy.yaml"))
    return operator


def _apply(lab: Lab, cluster: Cluster, objects: list[dict[str, Any]]) -> str:
    said = lab.kubectl(cluster.name).apply(objects, check=False)
    return "" if said.code == 0 else said.stderr.strip() or "kubectl apply failed"


def _namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}

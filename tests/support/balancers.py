"""Services of type LoadBalancer as tests make them, and what becomes of their addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gkelab.tools.kubectl import Object
from gkelab.wait import until
from tests.support.events import events
from tests.support.namespace import READY, Namespace

INTERNAL = {"networking.gke.io/load-balancer-type": "Internal"}
# The reason of MetalLB's event about an address that it cannot give.
REFUSED = "AllocationFailed"


def balancer(
    name: str,
    port: int = 80,
    *,
    protocol: str = "TCP",
    target: int = 8080,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A Service of type LoadBalancer in front of the pods of app `server`; `spec` are further
    fields, as loadBalancerIP."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "server"},
            "ports": [{"port": port, "protocol": protocol, "targetPort": target}],
            **spec,
        },
    }


def refusal(namespace: Namespace, service: str) -> str:
    """What the event says about the address that a Service does not get, once there is one.
    Raises AssertionError if the Service has an address all the same."""
    told = until(
        lambda: [
            event.message
            for event in events(namespace.kubectl, namespace.name, "Service", service)
            if (event.type, event.reason) == ("Warning", REFUSED)
        ],
        bool,
        what=f"an event says why Service {service} in {namespace.name} gets no address",
        timeout=READY,
    )
    given = namespace.service(service)["status"]["loadBalancer"].get("ingress")
    assert not given, f"{service} has {given}, though {told[-1]}"
    return told[-1]

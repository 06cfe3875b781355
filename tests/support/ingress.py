"""Istio's shared ingress gateway as a client outside sees it, and a namespace's names behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gkelab.tools.kubectl import Kubectl, Object
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer
from tests.support.probes import Place, http

NAMESPACE = "istio-system"
NAME = "istio-ingressgateway"


@dataclass(frozen=True)
class Gateway:
    """The gateway: `address` is the load balancer's, `pod` its pod's, `node` where that runs."""

    address: str
    pod: str
    node: str
    service: Object


def shared_gateway(kubectl: Kubectl) -> Gateway:
    """The lab's one ingress gateway. Raises AssertionError unless it has an address and a pod."""
    service = kubectl.get("service", NAME, NAMESPACE)
    assert service is not None, f"there is no Service {NAME}"
    (pod,) = kubectl.list("pods", NAMESPACE, f"app={NAME}")
    address = str(service["status"]["loadBalancer"]["ingress"][0]["ip"])
    return Gateway(address, pod["status"]["podIP"], pod["spec"]["nodeName"], service)


@dataclass(frozen=True)
class Ingress:
    """The way in, for one namespace. Its names are made of the namespace's, so that tests that
    run at the same time do not meet at the gateway that they share."""

    client: Place
    gateway: Gateway
    namespace: Namespace

    def host(self, label: str) -> str:
        """A name that is this namespace's own."""
        return f"{label}.{self.namespace.name}.example.com"

    def url(self, path: str = "/") -> str:
        """The address of a path at the gateway, for plain HTTP."""
        return f"http://{self.gateway.address}{path}"

    def get(self, label: str, path: str = "/", **options: Any) -> Answer:
        """A request of plain HTTP; `options` are those of `http`."""
        return http(self.client, self.url(path), host=self.host(label), **options)

    def get_tls(self, label: str, path: str = "/", *, cacert: str, **options: Any) -> Answer:
        """A request over TLS, which asks for the host by SNI and trusts this certificate alone."""
        host = self.host(label)
        return http(
            self.client,
            f"https://{host}{path}",
            resolve=[f"{host}:443:{self.gateway.address}"],
            cacert=cacert,
            **options,
        )

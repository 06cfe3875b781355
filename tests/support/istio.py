"""Istio's objects as data: what a gateway takes in, and where it leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gkelab.tools.kubectl import Object

SHARED = {"istio": "ingressgateway"}  # the labels of the lab's one ingress gateway


def gateway(name: str, *servers: Object) -> Object:
    """A Gateway of the shared ingress gateway. Its servers are merged with those of others there,
    so that their hosts must be nobody else's."""
    return _networking("Gateway", name, {"selector": SHARED, "servers": list(servers)})


def plain(*hosts: str, redirect: bool = False) -> Object:
    """A server of HTTP on port 80; with `redirect` it sends all to HTTPS."""
    tls = {"tls": {"httpsRedirect": True}} if redirect else {}
    return _server("http", 80, "HTTP", hosts) | tls


def terminating(secret: str, *hosts: str) -> Object:
    """A server of HTTPS on port 443, with the certificate in a Secret beside the gateway's pods."""
    server = _server("https", 443, "HTTPS", hosts)
    return server | {"tls": {"mode": "SIMPLE", "credentialName": secret}}


def passing(*hosts: str) -> Object:
    """A server of TLS on port 443 that ends at the backend, found by SNI."""
    return _server("tls", 443, "TLS", hosts) | {"tls": {"mode": "PASSTHROUGH"}}


def _server(name: str, port: int, protocol: str, hosts: Sequence[str]) -> Object:
    return {
        "hosts": list(hosts),
        "port": {"name": name, "number": port, "protocol": protocol},
    }


def routes(name: str, gateway: str, hosts: Sequence[str], *http: Object) -> Object:
    """A VirtualService of these hosts; its rules are tried in their order."""
    spec = {"hosts": list(hosts), "gateways": [gateway], "http": list(http)}
    return _networking("VirtualService", name, spec)


def tls_routes(name: str, gateway: str, host: str, destination: Object) -> Object:
    """A VirtualService that leads a TLS connection by its SNI."""
    rule = {"match": [{"port": 443, "sniHosts": [host]}], "route": [destination]}
    return _networking(
        "VirtualService", name, {"hosts": [host], "gateways": [gateway], "tls": [rule]}
    )


def rule(*destinations: Object, match: Sequence[Object] = (), **more: Any) -> Object:
    """A rule of HTTP: one of the matches, or anything; `more` are the rule's further fields."""
    chosen = {"match": list(match)} if match else {}
    return {**chosen, "route": list(destinations), **more}


def to(service: str, port: int = 0, weight: int | None = None) -> Object:
    """A Service of the object's own namespace; its only port, if none is given."""
    destination: Object = {"host": service} | ({"port": {"number": port}} if port else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def _networking(kind: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def security(kind: str, name: str, **spec: Any) -> Object:
    """A PeerAuthentication or AuthorizationPolicy."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }

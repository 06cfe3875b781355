"""Services of type LoadBalancer as firewall rules: from where their addresses take packets.

Sources: cloud-provider-gcp (gce_loadbalancer_external.go, firewallObject) for load balancers of
target pools, ingress-gce (pkg/firewalls/firewalls_l4.go, allowed.go, pkg/utils) for those of
backend services, GKE's pages "Automatically created firewall rules" and "LoadBalancer Service
parameters" for which Service gets which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from gkelab.cloud.controllers import names, rules
from gkelab.cloud.controllers.cluster import Body, Cluster

# loadBalancerClass, and whether its load balancers have backend services.
_CLASSES = {
    "networking.gke.io/l4-regional-external": True,
    "networking.gke.io/l4-regional-internal": True,
    "networking.gke.io/l4-regional-external-legacy": False,
    "networking.gke.io/l4-regional-internal-legacy": False,
}
_TYPES = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")
_RBS = ("cloud.google.com/l4-rbs", "enabled")
_SOURCES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_PROTOCOLS = ("UDP", "TCP")


@dataclass(frozen=True)
class Rules:
    """Rules that should be, and what could not be made one, a sentence each."""

    wanted: tuple[Body, ...]
    problems: tuple[str, ...]


def service_rules(
    services: Iterable[Body], cluster: Cluster, kube_system_uid: str, network: str
) -> Rules:
    """The rules of a cluster's Services that have an address, in the order of their names."""
    wanted, problems = [], []
    for service in services:
        try:
            rule = _rule(service, cluster, kube_system_uid, network)
        except ValueError as error:
            problems.append(f"Service {_full_name(service)} gets no firewall rule: {error}")
            continue
        if rule is not None:
            wanted.append(rule)
    return Rules(tuple(sorted(wanted, key=lambda rule: str(rule["name"]))), tuple(sorted(problems)))


def is_ours(cluster: Cluster, kube_system_uid: str) -> Callable[[Body], bool]:
    """Whether a rule is one of this cluster's Services. The name of one of a target pool does not
    tell the cluster; its tag does."""
    prefix = names.backend_service_prefix(kube_system_uid)

    def check(rule: Body) -> bool:
        sort = (rules.owner(rule) or ("", ""))[0]
        if sort == rules.BACKEND_SERVICE:
            return str(rule["name"]).startswith(prefix)
        tagged = rule.get("targetTags") == [cluster.tag]
        return sort == rules.TARGET_POOL and tagged and rule["name"].startswith("k8s-fw-a")

    return check


def _rule(service: Body, cluster: Cluster, kube_system_uid: str, network: str) -> Body | None:
    """The rule of a Service; None if it needs none. ValueError if it cannot have one."""
    metadata, spec = service["metadata"], service.get("spec", {})
    backend_service = _has_backend_service(service)
    address = next(_addresses(service), None)
    if backend_service is None or address is None or "deletionTimestamp" in metadata:
        return None
    if backend_service:
        name = names.backend_service_rule(kube_system_uid, metadata["namespace"], metadata["name"])
        said = {
            rules.BACKEND_SERVICE: _full_name(service),
            "networking.gke.io/api-version": "ga",
            "networking.gke.io/service-ip": str(address),
        }
        description = json.dumps(said, separators=(",", ":"))
    else:
        name = names.target_pool_rule(metadata["uid"])
        description = (
            f'{{"{rules.TARGET_POOL}":"{_full_name(service)}",'
            f' "kubernetes.io/service-ip":"{address}"}}'
        )
    return {
        "name": name,
        "description": description,
        "network": f"global/networks/{network}",
        "direction": "INGRESS",
        "priority": rules.PRIORITY,
        "sourceRanges": _sources(service),
        "destinationRanges": [str(address)],
        "targetTags": [cluster.tag],
        "allowed": _allowed(spec.get("ports", [])),
    }


def _has_backend_service(service: Body) -> bool | None:
    """Whether GKE's load balancer of a Service has a backend service, or a target pool; None if
    GKE makes it no load balancer. A class beats the annotations."""
    spec = service.get("spec", {})
    if spec.get("type") != "LoadBalancer":
        return None
    if spec.get("loadBalancerClass"):
        return _CLASSES.get(spec["loadBalancerClass"])
    annotations = service["metadata"].get("annotations") or {}
    kind = next((annotations[key] for key in _TYPES if key in annotations), "")
    return kind.lower() == "internal" or annotations.get(_RBS[0]) == _RBS[1]


def _addresses(service: Body) -> Iterator[IPv4Address]:
    balancer = service.get("status", {}).get("loadBalancer") or {}
    for ingress in balancer.get("ingress") or ():
        try:
            yield IPv4Address(ingress.get("ip", ""))
        except AddressValueError:
            continue  # a host name, or an address of IPv6


def _sources(service: Body) -> list[str]:
    """From where a Service takes packets: everywhere if it does not say."""
    said = service["spec"].get("loadBalancerSourceRanges") or []
    if not said:
        annotation = (service["metadata"].get("annotations") or {}).get(_SOURCES, "")
        said = [part for part in annotation.split(",") if part.strip()]
    ranges = {rules.network(text) for text in said if ":" not in text}
    if said and not ranges:
        raise ValueError("its loadBalancerSourceRanges are all of IPv6")
    return [str(network) for network in sorted(ranges)] or [rules.EVERYWHERE]


def _allowed(ports: list[Body]) -> list[Body]:
    by_protocol: dict[str, list[int]] = {}
    for port in ports:
        by_protocol.setdefault(port.get("protocol", "TCP"), []).append(port["port"])
    others = sorted(set(by_protocol) - set(_PROTOCOLS))
    if others or not by_protocol:
        raise ValueError(f"a load balancer of GKE has no {others[0] if others else 'empty'} port")
    return [
        {"IPProtocol": protocol.lower(), "ports": rules.port_ranges(by_protocol[protocol])}
        for protocol in _PROTOCOLS
        if protocol in by_protocol
    ]


def _full_name(service: Body) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"

"""Services of type LoadBalancer: which rule each gets, to the letter."""

from __future__ import annotations

from typing import Any

import pytest

from gkelab.cloud.controllers import names
from gkelab.cloud.controllers.services import service_rules
from tests.unit.cloud.controllers.made import CLUSTER, KUBE_SYSTEM, POOL_RULE, Body, service

POOL: Body = {
    "name": POOL_RULE,
    "description": '{"kubernetes.io/service-name":"shop/web",'
    ' "kubernetes.io/service-ip":"203.0.113.5"}',
    "network": "global/networks/net",
    "direction": "INGRESS",
    "priority": 1000,
    "sourceRanges": ["0.0.0.0/0"],
    "destinationRanges": ["203.0.113.5"],
    "targetTags": ["gke-small-0123abcd-node"],
    "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}],
}
BACKEND: Body = {
    **POOL,
    "name": names.backend_service_rule(KUBE_SYSTEM, "shop", "web"),
    "description": '{"networking.gke.io/service-name":"shop/web",'
    '"networking.gke.io/api-version":"ga","networking.gke.io/service-ip":"203.0.113.5"}',
}
ADDRESS = "203.0.113.5"
INTERNAL = {"networking.gke.io/load-balancer-type": "Internal"}


def made(*listed: Body) -> tuple[Body, ...]:
    found = service_rules(listed, CLUSTER, KUBE_SYSTEM, "net")
    assert found.problems == ()
    return found.wanted


@pytest.mark.parametrize(
    ("thing", "rule"),
    [
        (service(ADDRESS), POOL),
        (service(ADDRESS, annotations=INTERNAL), BACKEND),
        (
            service(ADDRESS, annotations={"cloud.google.com/load-balancer-type": "internal"}),
            BACKEND,
        ),
        (service(ADDRESS, annotations={"cloud.google.com/l4-rbs": "enabled"}), BACKEND),
        (service(ADDRESS, loadBalancerClass="networking.gke.io/l4-regional-internal"), BACKEND),
        (service(ADDRESS, loadBalancerClass="networking.gke.io/l4-regional-external"), BACKEND),
        # A class beats the annotations.
        (
            service(
                ADDRESS,
                loadBalancerClass="networking.gke.io/l4-regional-external-legacy",
                annotations=INTERNAL,
            ),
            POOL,
        ),
        (service("2001:db8::1", ADDRESS), POOL),
    ],
)
def test_the_rule_of_a_load_balancer(thing: Body, rule: Body) -> None:
    assert made(thing) == (rule,)


@pytest.mark.parametrize(
    "thing",
    [
        service(),
        service("2001:db8::1"),
        service(ADDRESS, type="ClusterIP"),
        service(ADDRESS, type="NodePort"),
        service(ADDRESS, loadBalancerClass="example.com/mine"),
        {"metadata": {"name": "web", "namespace": "shop", "uid": "u"}},
    ],
)
def test_what_gets_none(thing: Body) -> None:
    assert made(thing) == ()


def test_one_that_is_being_deleted_gets_none() -> None:
    thing = service(ADDRESS)
    thing["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert made(thing) == ()


def ports(*given: tuple[str, int]) -> list[Body]:
    return [{"protocol": protocol, "port": port} for protocol, port in given]


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ([{"port": 80}], [{"IPProtocol": "tcp", "ports": ["80"]}]),
        (
            ports(("TCP", 443), ("TCP", 81), ("TCP", 80)),
            [{"IPProtocol": "tcp", "ports": ["80-81", "443"]}],
        ),
        (
            ports(("TCP", 53), ("UDP", 53)),
            [{"IPProtocol": "udp", "ports": ["53"]}, {"IPProtocol": "tcp", "ports": ["53"]}],
        ),
    ],
)
def test_ports(given: list[Body], allowed: list[Body]) -> None:
    assert made(service(ADDRESS, ports=given)) == ({**POOL, "allowed": allowed},)


@pytest.mark.parametrize(
    ("said", "sources"),
    [
        (
            {"loadBalancerSourceRanges": ["198.51.100.7/24", "10.0.0.0/8"]},
            ["10.0.0.0/8", "198.51.100.0/24"],
        ),
        ({"loadBalancerSourceRanges": ["10.0.0.0/8", "2001:db8::/32"]}, ["10.0.0.0/8"]),
        ({"loadBalancerSourceRanges": []}, ["0.0.0.0/0"]),
        (
            {
                "annotations": {
                    "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, 10.1.2.3"
                }
            },
            ["10.0.0.0/8", "10.1.2.3/32"],
        ),
    ],
)
def test_source_ranges(said: dict[str, Any], sources: list[str]) -> None:
    assert made(service(ADDRESS, **said)) == ({**POOL, "sourceRanges": sources},)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"loadBalancerSourceRanges": ["2001:db8::/32"]}, "its loadBalancerSourceRanges are all"),
        ({"loadBalancerSourceRanges": ["10.0.0.0/33"]}, "is not a valid netmask"),
        ({"ports": ports(("SCTP", 7))}, "a load balancer of GKE has no SCTP port"),
    ],
)
def test_one_that_cannot_have_a_rule_is_told_of_and_others_have_theirs(
    said: dict[str, Any], why: str
) -> None:
    other = service(ADDRESS)
    other["metadata"] = {**other["metadata"], "name": "other"}
    found = service_rules([service(ADDRESS, **said), other], CLUSTER, KUBE_SYSTEM, "net")
    assert [rule["name"] for rule in found.wanted] == [POOL_RULE]
    (problem,) = found.problems
    assert problem.startswith("Service shop/web gets no firewall rule: ") and why in problem

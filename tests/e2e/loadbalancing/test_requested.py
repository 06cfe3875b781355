"""Addresses that a Service asks for: given, refused with an event, or named as on GKE."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from gkelab.topology import Cluster
from tests.support.balancers import INTERNAL, balancer, refusal
from tests.support.namespace import Namespace

# Of the pools, from their tops: MetalLB gives the lowest free one.
EXTERNAL, ASKED, CORRECTED, CROSSED = -2, -6, -7, -8
NAMES = "networking.gke.io/load-balancer-ip-addresses"


@pytest.mark.parametrize("internal", [False, True], ids=["external", "internal"])
def test_it_is_given(shared: Namespace, cluster: Cluster, internal: bool) -> None:
    """Just the address that spec.loadBalancerIP says; another Service, which does not ask (the
    counterfactual), has another one."""
    pool = cluster.internal_pool if internal else cluster.external_pool
    asked = str(pool[ASKED if internal else EXTERNAL])
    kind, annotations = ("internal", INTERNAL) if internal else ("external", {})
    shared.apply(
        [
            balancer(f"{kind}-asks", annotations=annotations, loadBalancerIP=asked),
            balancer(f"{kind}-any", annotations=annotations),
        ]
    )
    assert shared.address(f"{kind}-asks") == asked
    other = shared.address(f"{kind}-any")
    assert IPv4Address(other) in pool
    assert other != asked


def test_one_outside_the_pools_is_refused(shared: Namespace, cluster: Cluster) -> None:
    """An event says so; with an address of a pool the same Service gets it."""
    foreign = str(shared.lab.plan.frontend_range[-2])
    shared.apply([balancer("foreign", annotations=INTERNAL, loadBalancerIP=foreign)])
    why = refusal(shared, "foreign")
    assert foreign in why
    assert "not allowed in config" in why
    corrected = str(cluster.internal_pool[CORRECTED])
    shared.patch("service", "foreign", {"spec": {"loadBalancerIP": corrected}})
    assert shared.address("foreign") == corrected


def test_one_of_the_other_kind_is_refused(shared: Namespace, cluster: Cluster) -> None:
    """An internal load balancer has no external address, and an event says so."""
    public = str(cluster.external_pool[EXTERNAL])
    shared.apply([balancer("crossed", 8081, annotations=INTERNAL, loadBalancerIP=public)])
    assert "not compatible with requested address pool internal" in refusal(shared, "crossed")
    inside = str(cluster.internal_pool[CROSSED])
    shared.patch("service", "crossed", {"spec": {"loadBalancerIP": inside}})
    assert shared.address("crossed") == inside


def test_a_name_that_nobody_has_reserved(shared: Namespace, cluster: Cluster) -> None:
    """GKE's annotation names reserved addresses. The lab has none yet, and for a name that is not
    reserved GKE gives any address (ingress-gce, l4annotations: what is not found is passed over).
    """
    shared.apply([balancer("named", annotations={**INTERNAL, NAMES: "nobody-reserved-this"})])
    assert IPv4Address(shared.address("named")) in cluster.internal_pool

"""Names of GKE's rules; the values are those of ingress-gce's own tests where it has them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.cloud.api.links import NAME
from gkelab.cloud.controllers import names
from gkelab.cloud.controllers.cluster import Cluster
from gkelab.errors import LabError
from tests.unit.cloud.controllers.made import CLUSTER, KUBE_SYSTEM, POOL_RULE, UID


@pytest.mark.parametrize(
    ("namespace", "name", "known"),
    [
        # With its tests' cluster, whose hash is 7kpbhpki.
        ("namespace", "name", "956p2p7x"),
        ("default", "netlb-service", "y6efeqo7"),
        (
            "default",
            "extremely-long-name-that-has-a-different-ending-that-gets-truncated",
            "rhlqlhck",
        ),
    ],
)
def test_hashes_are_ingress_gces(namespace: str, name: str, known: str) -> None:
    assert names.content_hash(f"7kpbhpki;{namespace};{name}", 8) == known


LONG = "012345678901234567890123456789012345678901234567890123456789"


@pytest.mark.parametrize(
    ("namespace", "name", "middle"),
    [
        ("namespace", "name", "namespace-name"),
        (LONG + "abc", LONG + "pqr", "01234567890123456789-0123456789012345678"),
        (
            "default",
            "extremely-long-name-that-has-a-different-ending-that-gets-truncated",
            "defa-extremely-long-name-that-has-a-diff",
        ),
    ],
)
def test_long_names_are_cut_as_ingress_gce_cuts_them(
    namespace: str, name: str, middle: str
) -> None:
    rule = names.backend_service_rule(KUBE_SYSTEM, namespace, name)
    prefix = names.backend_service_prefix(KUBE_SYSTEM)
    assert re.fullmatch(r"k8s2-[0-9a-z]{8}-", prefix)
    assert rule.removeprefix(prefix)[:-9] == middle
    assert len(rule) <= 63


def test_a_target_pools_rule_has_the_services_uid() -> None:
    assert names.target_pool_rule(UID) == POOL_RULE
    assert len(POOL_RULE) == len("k8s-fw-") + 32


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("allow-web", "gke-small-0123abcd-pfw-allow-web"),
        ("allow.web", "gke-small-0123abcd-pfw-allow-web-g07o1173"),
        ("a" * 90, f"gke-small-0123abcd-pfw-{'a' * 31}-uvwnjik6"),
    ],
)
def test_a_gcpfirewalls_rule(name: str, rule: str) -> None:
    assert names.gcpfirewall_rule(CLUSTER.prefix, name) == rule


dns = st.from_regex(r"\A[a-z0-9]([-.a-z0-9]{0,80}[a-z0-9])?\Z")


@given(dns, dns)
def test_names_are_names_and_differ(one: str, other: str) -> None:
    first, second = (names.gcpfirewall_rule(CLUSTER.prefix, n) for n in (one, other))
    assert re.fullmatch(NAME, first)
    assert (first == second) == (one == other)


def test_a_cluster_of_the_command_line() -> None:
    said = "small=kind-small=gke-small-0123abcd-node=pods"
    assert Cluster.parse(said) == CLUSTER
    for text in ("small", "a=b=c=", "a=b=c=d=e"):
        with pytest.raises(LabError, match="NAME=CONTEXT=TAG=RANGE"):
            Cluster.parse(text)

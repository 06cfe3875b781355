"""podCIDRs as alias ranges: every difference, in an order that can be written."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.cloud.controllers.nodes import alias_updates, aliases, instance_name, pod_cidr
from tests.unit.cloud.controllers.made import CLUSTER, Body, node, seen

A, B = "10.4.0.0/24", "10.4.1.0/24"


def steps(nodes: list[Body], *instances: Body) -> list[tuple[str, str | None]]:
    found = alias_updates(nodes, instances, CLUSTER)
    assert {step.scope for step in found.steps} <= {"zones/us-central1-a"}
    return [(s.instance, str(s.pod_cidr) if s.pod_cidr else None) for s in found.steps]


@pytest.mark.parametrize(
    ("nodes", "instances", "done"),
    [
        ([node("a", A)], [seen("a")], [("a", A)]),
        ([node("a", A)], [seen("a", A)], []),
        ([node("a", B)], [seen("a", A)], [("a", B)]),
        ([node("a", A)], [seen("a", A, B)], [("a", A)]),
        # A node without a podCIDR, and one that is gone.
        ([node("a")], [seen("a", A)], [("a", None)]),
        ([], [seen("a", A), seen("b")], [("a", None)]),
        # The range of a node that is gone is another's.
        ([node("b", A)], [seen("b"), seen("c", A)], [("c", None), ("b", A)]),
        # Both were made anew, and have each other's.
        (
            [node("a", B), node("b", A)],
            [seen("a", A), seen("b", B)],
            [("a", None), ("b", None), ("a", B), ("b", A)],
        ),
        # Other clusters' nodes, and machines that are none.
        ([node("a", A)], [seen("a", B, cluster="other")], []),
        ([], [{**seen("a", A), "labels": {}}], []),
    ],
)
def test_steps(
    nodes: list[Body], instances: list[Body], done: list[tuple[str, str | None]]
) -> None:
    assert steps(nodes, *instances) == done


def test_a_node_without_an_instance_is_told_of() -> None:
    assert alias_updates([node("a", A)], [], CLUSTER).problems == ("node a has no instance",)


def test_alias_ranges_of_other_ranges_stay() -> None:
    mine = {"ipCidrRange": "10.128.3.0/28"}
    own = {"ipCidrRange": A, "subnetworkRangeName": "pods"}
    nic = {"aliasIpRanges": [own, mine]}
    assert aliases(nic, None, CLUSTER) == [mine]
    other = {"ipCidrRange": B, "subnetworkRangeName": "pods"}
    assert aliases(nic, IPv4Network(B), CLUSTER) == [mine, other]
    assert aliases({}, None, CLUSTER) == []


@pytest.mark.parametrize(
    ("spec", "cidr"),
    [
        ({}, None),
        ({"podCIDR": ""}, None),
        ({"podCIDR": A}, IPv4Network(A)),
        ({"podCIDR": "fd00::/64", "podCIDRs": ["fd00::/64", A]}, IPv4Network(A)),
    ],
)
def test_pod_cidr(spec: Body, cidr: IPv4Network | None) -> None:
    assert pod_cidr({"spec": spec}) == cidr


@pytest.mark.parametrize(
    ("provider", "name"),
    [("gce://p/z/inst", "inst"), ("kind://docker/small/a", "a"), ("", "a"), ("gce://", "a")],
)
def test_the_instance_of_a_node(provider: str, name: str) -> None:
    assert instance_name(node("a", providerID=provider)) == name


cidrs = st.integers(0, 4).map(lambda i: f"10.4.{i}.0/24")
held = st.lists(cidrs, unique=True, min_size=4, max_size=4)


@given(held, held, st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)))
def test_steps_never_give_a_range_that_another_has(
    before: list[str], after: list[str], bare: set[int], gone: set[int]
) -> None:
    instances = [seen(f"n{i}", *([] if i in bare else [c])) for i, c in enumerate(before)]
    nodes = [node(f"n{i}", c) for i, c in enumerate(after) if i not in gone]
    have = {f"n{i}": c for i, c in enumerate(before) if i not in bare}
    for name, cidr in steps(nodes, *instances):
        have.pop(name, None)
        if cidr:
            assert cidr not in have.values()
            have[name] = cidr
    assert have == {f"n{i}": c for i, c in enumerate(after) if i not in gone}

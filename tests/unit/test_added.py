"""Nodes beside those that a topology declares: which comes next, which may go, and what a plan is
with them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.errors import LabError
from gkelab.topology import (
    Added,
    ResolvedTopology,
    away_name,
    away_node,
    deletable,
    label_of,
    next_node,
    parse,
    resolve,
    with_nodes,
)
from tests.unit.steps import declared, plan_of, two_regions

WORKER, WORKER2, WORKER3 = "vpc-native-worker", "vpc-native-worker2", "vpc-native-worker3"


def following(
    plan: ResolvedTopology, pool: str | None = None, zone: str | None = None, *taken: str
) -> Added:
    used = [IPv4Network(network) for network in taken]
    return next_node(plan, plan.clusters[0], pool, zone, taken=used, names=[])


def said(raised: pytest.ExceptionInfo[LabError]) -> str:
    return str(raised.value)


def test_the_next_is_numbered_and_placed_as_kind_and_the_layout_would() -> None:
    plan = plan_of()
    one = following(plan)
    assert one == Added(
        WORKER3, "vpc-native", "default-pool", "us-central1-a", IPv4Address("10.128.0.5")
    )
    more = with_nodes(plan, [one], ())
    node = more.clusters[0].nodes[-1]
    assert (node.name, node.role, node.added) == (WORKER3, "worker", True)
    assert node.provider_id == "gce://gkelab/us-central1-a/vpc-native-worker3"
    # Everything else is as with a worker of the same pool and zone.
    assert node.labels == plan.clusters[0].nodes[1].labels
    assert more.subnets[0].node_addresses[-1] == one.address
    assert more.clusters[0].subnet == more.subnets[0]
    assert following(more).zone == "us-central1-b"  # where there are fewer


def test_what_the_cloud_has_given_out_is_leapt_over() -> None:
    assert str(following(plan_of(), None, None, "10.128.0.5/32", "10.128.0.8/29").address) == (
        "10.128.0.6"
    )


def test_a_name_that_a_machine_has_is_left_to_it() -> None:
    plan = plan_of()
    one = next_node(plan, plan.clusters[0], None, None, taken=[], names=[WORKER3])
    assert one.name == "vpc-native-worker4"


def test_a_gap_is_filled_by_name_and_by_address() -> None:
    less = with_nodes(plan_of(), [], [WORKER])
    one = following(less)
    assert (one.name, str(one.address), one.zone) == (WORKER, "10.128.0.3", "us-central1-a")
    # It stands in the place of the declared one, once that is not away any more.
    again = with_nodes(plan_of(), [one], ())
    assert [(n.name, n.added) for n in again.clusters[0].workers] == [
        (WORKER, True),
        (WORKER2, False),
    ]


def test_workers_are_in_the_order_of_their_numbers() -> None:
    plan = plan_of()
    while len(plan.nodes) < 13:
        plan = with_nodes(plan, [following(plan)], ())
    assert [n.name for n in plan.clusters[0].workers][-4:] == [
        f"vpc-native-worker{i}" for i in (9, 10, 11, 12)
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("big", None),
            "Cluster vpc-native has no node pool big. Name one of default-pool.",
        ),
        (
            (None, "us-central1-f"),
            "Node pool default-pool of cluster vpc-native is not in zone us-central1-f."
            " Name one of us-central1-a, us-central1-b.",
        ),
        (
            (None, None, "10.128.0.0/20"),
            "Subnet us-central1 10.128.0.0/20 has no free address for another node."
            " Delete a node or a VM, or expand the range.",
        ),
    ],
)
def test_what_cannot_be_added(words: tuple[str | None, ...], sentence: str) -> None:
    with pytest.raises(LabError) as raised:
        following(plan_of(), *words)  # type: ignore[arg-type]
    assert said(raised) == sentence


def test_a_pod_range_that_is_used_up_says_how_many_nodes_it_carries() -> None:
    topology = declared()
    topology["network"]["subnets"][0]["secondaryIpRanges"][0]["ipCidrRange"] = "10.0.0.0/24"
    plan = resolve(parse(topology, "mine.yaml"))
    plan = with_nodes(plan, [following(plan)], ())
    with pytest.raises(LabError) as raised:
        following(plan)
    assert said(raised) == (
        "The pod range 10.0.0.0/24 of cluster vpc-native carries 4 nodes (a /26 each), and there"
        " are 4. Delete a node, or declare a larger range for pods or fewer pods a node."
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x", "Lab vpc-native has no node x. Its workers are vpc-native-worker2."),
        (
            "vpc-native-control-plane",
            "vpc-native-control-plane is the control plane of cluster vpc-native, which GKE keeps."
            " Name a worker: vpc-native-worker2.",
        ),
        (
            WORKER2,
            "vpc-native-worker2 is the last worker of cluster vpc-native."
            " Add another one first: invoke node.add.",
        ),
    ],
)
def test_what_cannot_be_deleted(name: str, sentence: str) -> None:
    with pytest.raises(LabError) as raised:
        deletable(with_nodes(plan_of(), [], [WORKER]), name)
    assert said(raised) == sentence


def test_a_worker_beside_another_can() -> None:
    cluster, node = deletable(plan_of(), WORKER2)
    assert (cluster.name, node.name) == ("vpc-native", WORKER2)


def test_of_two_clusters_the_one_that_is_meant_has_it() -> None:
    plan = two_regions()
    one = next_node(plan, plan.cluster("europe"), None, None, taken=[], names=[])
    assert (one.name, str(one.address)) == ("europe-worker2", "10.132.0.4")
    more = with_nodes(plan, [one], ())
    assert [len(cluster.nodes) for cluster in more.clusters] == [3, 3]
    assert len(plan.cluster("europe").nodes) == 2


def test_a_plan_without_such_nodes_is_as_declared() -> None:
    plan = two_regions()
    assert with_nodes(plan, [], ()) == plan == plan.declared


@given(st.integers(1, 60), st.data())
def test_whatever_comes_and_goes_no_two_have_a_name_or_an_address(
    steps: int, data: st.DataObject
) -> None:
    plan = PLAN
    for _ in range(steps):
        workers = [node.name for node in plan.clusters[0].workers]
        if len(workers) > 1 and data.draw(st.booleans()):
            plan = with_nodes(plan, [], [data.draw(st.sampled_from(workers))])
        elif len(plan.nodes) < 64:
            plan = with_nodes(plan, [following(plan)], ())
        names = [node.name for node in plan.nodes]
        addresses = [node.address for node in plan.nodes]
        assert len(set(names)) == len(names) == len(set(addresses))
        assert tuple(addresses) == plan.subnets[0].node_addresses


PLAN = plan_of()


def test_labels_and_names_tell_what_they_were_told() -> None:
    node = with_nodes(plan_of(), [following(plan_of())], ()).clusters[0].nodes[-1]
    label = label_of("vpc-native", node)
    assert label == (
        '{"cluster":"vpc-native","pool":"default-pool","zone":"us-central1-a",'
        '"address":"10.128.0.5"}'
    )
    assert Added.parse(WORKER3, label) == following(plan_of())
    assert away_node(away_name("vpc-native", WORKER3)) == ("vpc-native", WORKER3)
    assert away_node("gkelab.vpc-native.cloud") is None

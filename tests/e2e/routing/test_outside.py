"""Whose address a pod's packets have outside the cluster: its node's for the world, its own inside
the VPC and on-prem (GKE: concepts/ip-masquerade-agent).

The client outside is the other end. For a moment it has one more address, a public one or one
on-prem, which the pod's node knows the way to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gkelab.topology import Cluster, Node
from tests.support import changes
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Answer, Outcome
from tests.support.outside import routed
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect
from tests.support.spare import spare
from tests.support.timeouts import TIMEOUTS

PUBLIC = 0  # of the spare addresses


@pytest.fixture(scope="module")
def pod(shared: Namespace) -> Pod:
    """The pod that goes outside."""
    return shared.pod("client")


@pytest.fixture(scope="module")
def node(cluster: Cluster, pod: Pod) -> Node:
    """The node of the pod."""
    return next(node for node in cluster.nodes if node.name == pod.node)


@contextmanager
def wearing(shared: Namespace, client: ContainerPlace, node: Node, address: str) -> Iterator[None]:
    """The client outside has the address, and the node knows the way to it."""
    ways = {address: str(shared.cluster.subnet.lab_address(0))}
    with (
        changes.address(client, f"{address}/32"),
        routed(shared.lab.docker, node.name, ways),
    ):
        yield


def ask(shared: Namespace, pod: Pod, address: str, timeout: float = TIMEOUTS.probe) -> Answer:
    """A request of the pod to the client outside, at that address."""
    return http(shared.place(pod), f"http://{address}:8080/", timeout=timeout)


def test_the_world_sees_the_node(
    shared: Namespace, client: ContainerPlace, pod: Pod, node: Node
) -> None:
    """At a public address a pod is seen as its node. The counterfactual: when the other end does
    not have the address, nobody answers there."""
    public = str(spare(shared.lab.plan, PUBLIC))
    with wearing(shared, client, node, public):
        answer = ask(shared, pod, public)
        expect(answer, who=client.name, saw=str(node.address), from_=pod.name, to=public)
    nobody = ask(shared, pod, public, TIMEOUTS.short)
    assert nobody.outcome in (Outcome.TIMEOUT, Outcome.UNREACHABLE), nobody


def test_the_vpc_sees_the_pod(
    shared: Namespace, client: ContainerPlace, pod: Pod, node: Node
) -> None:
    """At an address of the VPC a pod is seen as itself. So the other end must know the way to it:
    without one, the pod gets no answer."""
    inside = str(shared.cluster.subnet.lab_address(0))
    silence = ask(shared, pod, inside, TIMEOUTS.short)
    expect(silence, outcome=Outcome.TIMEOUT, from_=pod.name, to=inside)
    with routed(shared.lab.docker, client.name, {pod.ip: str(node.address)}):
        answer = ask(shared, pod, inside)
    expect(answer, who=client.name, saw=pod.ip, from_=pod.name, to=inside)


def test_on_prem_sees_the_pod(
    shared: Namespace, client: ContainerPlace, pod: Pod, node: Node
) -> None:
    """On-prem a pod is seen as itself, as its range is not masqueraded either."""
    network = shared.lab.plan.on_prem_range
    if network is None:
        pytest.skip("this topology declares no on-prem range")
    there = str(network[-2])
    with (
        wearing(shared, client, node, there),
        routed(shared.lab.docker, client.name, {pod.ip: str(node.address)}),
    ):
        answer = ask(shared, pod, there)
    expect(answer, who=client.name, saw=pod.ip, from_=pod.name, to=there)


def test_a_node_is_itself_everywhere(shared: Namespace, client: ContainerPlace, node: Node) -> None:
    """A node's own packets have its own address, in the world as in the VPC."""
    public = str(spare(shared.lab.plan, PUBLIC))
    place = ContainerPlace(shared.lab.docker, node.name)
    with wearing(shared, client, node, public):
        for address in (public, str(shared.cluster.subnet.lab_address(0))):
            answer = http(place, f"http://{address}:8080/")
            expect(answer, who=client.name, saw=str(node.address), from_=node.name, to=address)

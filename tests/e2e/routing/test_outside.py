"""Whose address a pod's packets have outside the cluster: its own inside the VPC, its node's for
the world (GKE: concepts/ip-masquerade-agent), which the VPC router gives the node's public one.
"""

from __future__ import annotations

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster, Node, Vm
from tests.support.eventually import eventually
from tests.support.firewalls import admitted, cloud_of
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS

PORT = 8080


@pytest.fixture(scope="module")
def pod(shared: Namespace) -> Pod:
    """The pod that goes outside."""
    return shared.pod("client")


@pytest.fixture(scope="module")
def node(cluster: Cluster, pod: Pod) -> Node:
    """The node of the pod."""
    return next(node for node in cluster.nodes if node.name == pod.node)


@pytest.fixture(scope="module")
def public(lab: Lab, node: Node) -> str:
    """The node's public address."""
    instance = cloud_of(lab).get("instances", f"zones/{node.zone}", node.name)
    return str(instance["networkInterfaces"][0]["accessConfigs"][0]["natIP"])


def test_the_world_sees_the_nodes_public_address(
    shared: Namespace, client: ContainerPlace, outside: str, pod: Pod, public: str
) -> None:
    """On the internet a pod is seen as its node is. The counterfactual: where nobody has the
    address nobody answers."""
    answer = http(shared.place(pod), f"http://{outside}:{PORT}/")
    expect(answer, who=client.name, saw=public, from_=pod.name, to=outside)
    assert shared.lab.plan.internet
    nobody = shared.lab.plan.internet.range[-3]
    silence = http(shared.place(pod), f"http://{nobody}:{PORT}/", timeout=TIMEOUTS.short)
    expect(silence, outcome=Outcome.TIMEOUT, from_=pod.name, to=f"{nobody}, which nobody has")


def test_the_vpc_sees_the_pod(shared: Namespace, lab: Lab, vm: Vm, pod: Pod) -> None:
    """A VM sees the pod itself, once a firewall rule admits the pods' range: that of a default
    network is for the primary ranges alone, and without it the pod hears nothing."""
    ask = f"http://{vm.address}:{PORT}/"
    silence = http(shared.place(pod), ask, timeout=TIMEOUTS.short)
    expect(silence, outcome=Outcome.TIMEOUT, from_=pod.name, to=vm.name)
    with admitted(lab, [pod]):
        eventually(
            lambda: http(shared.place(pod), ask, timeout=TIMEOUTS.short),
            who=vm.name,
            saw=pod.ip,
            what=f"{vm.name} answers {pod.name}",
        )


def test_a_node_is_itself_in_the_vpc_and_has_its_public_address_outside(
    lab: Lab, outside: str, vm: Vm, node: Node, public: str
) -> None:
    """A node's own packets have its own address for a VM, its public one for the world."""
    place = ContainerPlace(lab.docker, node.name)
    answer = http(place, f"http://{vm.address}:{PORT}/")
    expect(answer, who=vm.name, saw=str(node.address), from_=node.name, to=vm.name)
    answer = http(place, f"http://{outside}:{PORT}/")
    expect(answer, saw=public, from_=node.name, to=outside)

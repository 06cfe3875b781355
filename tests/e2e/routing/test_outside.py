"""Whose address a pod's packets have outside the cluster: its own inside the VPC, its node's for
the world (GKE: concepts/ip-masquerade-agent), which the VPC router gives the node's public one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.lab import Lab
from gkelab.topology import Cluster, Node, Vm
from tests.support.eventually import eventually
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
def cloud(lab: Lab) -> RestCloud:
    """The lab's cloud."""
    place = recorded(lab.cloud_file)
    return RestCloud(place.endpoint, place.project)


@pytest.fixture(scope="module")
def public(cloud: RestCloud, node: Node) -> str:
    """The node's public address."""
    instance = cloud.get("instances", f"zones/{node.zone}", node.name)
    return str(instance["networkInterfaces"][0]["accessConfigs"][0]["natIP"])


@contextmanager
def admitted(cloud: RestCloud, network: str, source: str) -> Iterator[None]:
    """Inside the block everything of the network admits TCP from that range."""
    rule = {
        "name": f"t-{secrets.token_hex(4)}",
        "network": f"global/networks/{network}",
        "sourceRanges": [source],
        "allowed": [{"IPProtocol": "tcp"}],
    }
    cloud.insert("firewalls", "global", rule)
    try:
        yield
    finally:
        cloud.write("delete", "firewalls", "global", {"firewall": rule["name"]})


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
    assert silence.outcome in (Outcome.TIMEOUT, Outcome.UNREACHABLE), silence


def test_the_vpc_sees_the_pod(shared: Namespace, cloud: RestCloud, vm: Vm, pod: Pod) -> None:
    """A VM sees the pod itself, once a firewall rule admits the pods' range: that of a default
    network is for the primary ranges alone, and without it the pod hears nothing."""
    ask = f"http://{vm.address}:{PORT}/"
    silence = http(shared.place(pod), ask, timeout=TIMEOUTS.short)
    expect(silence, outcome=Outcome.TIMEOUT, from_=pod.name, to=vm.name)
    with admitted(cloud, shared.lab.plan.network, str(shared.cluster.pod_range)):
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

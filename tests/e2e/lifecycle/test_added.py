"""A node that is added to a running cluster, and goes again: the VPC follows (GKE:
how-to/node-pools, "Resize a node pool"; each node has its part of the pods' range)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gkelab import commands
from gkelab.lab import Lab
from gkelab.status import lab_status
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.topology import Cluster, Node
from tests.support.eventually import eventually
from tests.support.invoke import invoke
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.own_lab import NAME, answers, ids
from tests.support.probes import http
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import HTTP, google_of, router_of
from tests.support.vpc.router import ways


def pod(name: str, node: str) -> Object:
    """A server on that node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "server", "image": "gkelab/workload"}],
        },
    }


@pytest.fixture(scope="module")
def added(lab: Lab) -> Iterator[Node]:
    """The node, as a person adds it."""
    before = {node.name for node in lab.plan.nodes}
    invoke("node.add", f"--lab={NAME}")
    (node,) = (n for n in commands.open_lab(NAME).plan.nodes if n.name not in before)
    yield node
    if node.name in {n.name for n in commands.open_lab(NAME).plan.nodes}:
        invoke("node.delete", node.name, f"--lab={NAME}")


@pytest.fixture(scope="module")
def podcidr(kubectl: Kubectl, added: Node) -> IPv4Network:
    """The part of the pods' range that it has."""
    found = kubectl.get("node", added.name)
    assert found is not None
    return IPv4Network(found["spec"]["podCIDR"])


def aliases(lab: Lab, node: Node) -> list[str]:
    """What the cloud gives it; none when there is no such instance."""
    google = google_of(lab)
    found = google.instances.list(project=google.project, zone=node.zone)
    return [
        alias.ip_cidr_range
        for instance in found
        if instance.name == node.name
        for alias in instance.network_interfaces[0].alias_ip_ranges
    ]


def routed(lab: Lab, network: IPv4Network) -> list[str]:
    """Where the router sends that range."""
    return [str(gateway) for w in ways(router_of(lab).routes(), network) for gateway in w.gateways]


def test_it_is_of_the_vpc(lab: Lab, cluster: Cluster, added: Node, podcidr: IPv4Network) -> None:
    """Its podCIDR, which no other node has, is its instance's alias range, and the router's way
    there is the node."""
    assert podcidr.subnet_of(cluster.pod_range)
    assert aliases(lab, added) == [str(podcidr)]
    assert routed(lab, podcidr) == [str(added.address)]
    now = commands.open_lab(NAME)
    assert added.name in {node.name for node in now.plan.nodes}
    assert not lab_status(now).problems


def test_pods_on_it_are_reached_and_reach(
    lab: Lab, cluster: Cluster, namespace: Namespace, added: Node, podcidr: IPv4Network
) -> None:
    """Each sees the other's own address."""
    here, there = pod("here", cluster.workers[0].name), pod("there", added.name)
    namespace.apply([here, there])
    one, other = namespace.pod("here"), namespace.pod("there")
    assert other.node == added.name
    assert IPv4Network(other.ip).subnet_of(podcidr)
    for sender, receiver in ((one, other), (other, one)):
        eventually(
            lambda s=sender, r=receiver: http(  # type: ignore[misc]
                namespace.place(s), f"http://{r.ip}:{HTTP}/", timeout=TIMEOUTS.short
            ),
            who=receiver.name,
            saw=sender.ip,
            what=f"{sender.node} reaches {receiver.node}",
        )


def test_a_second_up_keeps_it(lab: Lab, topology: Path, added: Node) -> None:
    """It is the lab's as much as the declared ones."""
    before = ids(lab)
    invoke("up", f"--topology={topology}")
    assert ids(lab) == before
    assert added.name in before


@pytest.mark.parametrize("name", ["nonesuch", f"{NAME}-control-plane"])
def test_what_cannot_go_stays(lab: Lab, name: str) -> None:
    """One sentence, and nothing has changed."""
    before = ids(lab)
    done = invoke("node.delete", name, f"--lab={NAME}", check=False)
    assert done.code == 1
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert ids(lab) == before


def test_deleted_it_is_gone(
    *,
    lab: Lab,
    cluster: Cluster,
    namespace: Namespace,
    kubectl: Kubectl,
    added: Node,
    podcidr: IPv4Network,
) -> None:
    """Its container, its Node, its instance and its range's route; where it was nobody answers,
    and the lab is whole without it."""
    namespace.apply([pod("here", cluster.workers[0].name), pod("there", added.name)])
    address = namespace.pod("there").ip
    invoke("node.delete", added.name, f"--lab={NAME}")
    assert added.name not in ids(lab)
    assert kubectl.get("node", added.name) is None
    assert aliases(lab, added) == []
    assert routed(lab, podcidr) == []
    answer = http(namespace.place("here"), f"http://{address}:{HTTP}/", timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, to=f"{address}, which the router drops")
    now = commands.open_lab(NAME)
    assert not lab_status(now).problems
    answers(now)

"""Pods and nodes: each reaches the other by its own address; ports and networks of nodes that
pods take for themselves."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

import pytest

from gkelab.lab import Lab, manifest
from gkelab.topology import Cluster, Vm
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.namespace import READY, Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.parse import routes
from tests.support.probes import ContainerPlace, Place, Probe, http, probe_many
from tests.support.say import expect
from tests.support.scheduling import unschedulable

HTTP, LINE, DATAGRAM = 18180, 18181, 18182  # of the pods on their node's network
HOST_PORT = 18190  # of the other pods
FREE = 18199


@pytest.fixture(scope="module")
def servers(shared: Namespace) -> dict[str, Pod]:
    """The pods with addresses of their own, by node."""
    return {pod.node: pod for pod in shared.pods("app=server")}


@pytest.fixture(scope="module")
def on_hosts(shared: Namespace) -> dict[str, Pod]:
    """The pods on their node's network, by node."""
    return {pod.node: pod for pod in shared.pods("app=host")}


def test_pod_to_node(
    shared: Namespace, cluster: Cluster, servers: dict[str, Pod], on_hosts: dict[str, Pod]
) -> None:
    """Every pod reaches its own node and the others, which see the pod's own address; a port
    where nothing listens is refused."""
    for client in servers.values():
        for node in cluster.workers:
            to = str(node.address)
            *answers, closed = probe_many(
                shared.place(client),
                [
                    Probe("http", to, HTTP),
                    Probe("tcp", to, LINE),
                    Probe("udp", to, DATAGRAM),
                    Probe("http", to, FREE),
                ],
            )
            for answer in answers:
                expect(
                    answer,
                    who=on_hosts[node.name].name,
                    saw=client.ip,
                    from_=f"{client.name} on {client.node}",
                    to=node.name,
                )
            expect(closed, outcome=Outcome.REFUSED, from_=client.name, to=f"{node.name}:{FREE}")


def test_node_to_pod(lab: Lab, cluster: Cluster, servers: dict[str, Pod]) -> None:
    """Every node reaches every pod, and no address is translated: pods of other nodes see the
    node's own, its own pods that or the one that the node has in their network."""
    inside = manifest("cilium/values.yaml")["extraConfig"]["local-router-ipv4"]
    for node in cluster.nodes:
        place = ContainerPlace(lab.docker, node.name)
        for pod in servers.values():
            (way,) = routes(place.exec(["ip", "-json", "route", "get", pod.ip]).stdout)
            answer = http(place, f"http://{pod.ip}:8080/")
            expect(answer, who=pod.name, saw=way.source, from_=node.name, to=pod.name)
            near = {inside} if pod.node == node.name else set()
            assert answer.saw in {str(node.address), *near}


def test_a_pod_on_its_nodes_network_answers_as_the_node(
    cluster: Cluster, machine: ContainerPlace, vm: Vm, on_hosts: dict[str, Pod]
) -> None:
    """At the node's address, for a VM of the VPC. A node without such a pod refuses."""
    addresses = {node.name: node.address for node in cluster.nodes}
    for node, pod in on_hosts.items():
        assert IPv4Address(pod.ip) == addresses[node]
        answer = http(machine, f"http://{pod.ip}:{HTTP}/")
        expect(answer, who=pod.name, saw=str(vm.address), from_=vm.name, to=node)
    without = cluster.control_plane
    assert without.name not in on_hosts
    answer = http(machine, f"http://{without.address}:{HTTP}/")
    expect(answer, outcome=Outcome.REFUSED, to=f"{without.name}, which has no such pod")


def test_a_pod_on_its_nodes_network_asks_as_the_node(
    shared: Namespace, servers: dict[str, Pod], on_hosts: dict[str, Pod]
) -> None:
    """Pods of other nodes see the node's address, where they see another pod's own."""
    for pod in on_hosts.values():
        for server in servers.values():
            for asking in (pod, servers[pod.node]):
                if server.node != asking.node:
                    answer = http(shared.place(asking), f"http://{server.ip}:8080/")
                    expect(answer, who=server.name, saw=asking.ip, from_=asking.name)


def test_host_port(
    shared: Namespace,
    cluster: Cluster,
    machine: ContainerPlace,
    vm: Vm,
    servers: dict[str, Pod],
) -> None:
    """The port of a node leads to the pod on that very node, which sees who asks, a VM of the
    VPC or a pod of another node; a node without such a pod refuses."""
    asking: dict[str, Place] = {str(vm.address): machine}
    asking |= {pod.ip: shared.place(pod) for pod in servers.values()}
    for node in cluster.workers:
        own = servers[node.name]
        for source, place in asking.items():
            if source != own.ip:  # by its own node's port a pod would come back to itself
                eventually(
                    partial(http, place, f"http://{node.address}:{HOST_PORT}/"),
                    who=own.name,
                    saw=source,
                    what=f"{own.name} answers {source} at {node.name}",
                )
    without = cluster.control_plane
    assert without.name not in servers
    answer = http(machine, f"http://{without.address}:{HOST_PORT}/")
    expect(answer, outcome=Outcome.REFUSED, to=f"{without.name}, which has no such pod")


def test_a_host_port_is_given_once(shared: Namespace, cluster: Cluster) -> None:
    """A second pod that wants the same port of the same node waits, and says for what."""
    rival = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "rival", "namespace": shared.name},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": cluster.workers[0].name},
            "containers": [
                {
                    "name": "rival",
                    "image": "gkelab/workload",  # never pulled: it gets no node
                    "ports": [{"containerPort": 8080, "hostPort": HOST_PORT}],
                }
            ],
        },
    }
    shared.kubectl.apply([rival])
    try:
        until(
            lambda: unschedulable(shared.kubectl.get("pod", "rival", shared.name)),
            lambda why: "free ports" in why,
            what="the second pod with that host port is unschedulable",
            timeout=READY,
        )
    finally:
        shared.remove("pod", "rival")

"""Ports of nodes: who answers at which node, and which source address the pod sees."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal

import pytest

from gkelab.lab import Lab
from gkelab.topology import Cluster, Node, Vm
from gkelab.wait import until
from tests.support.eventually import eventually, eventually_from
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import ContainerPlace, Place, Probe, http, http_many, probe_many
from tests.support.say import expect
from tests.support.stats import requests_needed
from tests.support.timeouts import TIMEOUTS

MANY = requests_needed(1 / 2)
PORTS = range(30000, 32768)


def servers(shared: Namespace) -> dict[str, str]:
    """The servers by their node."""
    return {pod.node: pod.name for pod in shared.pods("app=server")}


def node_port(shared: Namespace, service: str, port: int = 80) -> int:
    """The port of every node that leads to that port of a Service."""
    ports = shared.service(service)["spec"]["ports"]
    number = next(int(item["nodePort"]) for item in ports if item["port"] == port)
    assert number in PORTS
    return number


def settled(place: Place, probe: Probe, wanted: Iterable[str]) -> list[Answer]:
    """Many answers, once just the wanted ones give them."""
    wanted = set(wanted)
    what = f"{', '.join(sorted(wanted))} answer at {probe.host}:{probe.port}"
    eventually_from(lambda: probe_many(place, [probe] * MANY), wanted, what=what)
    return probe_many(place, [probe] * MANY)


def check_sources(answers: Iterable[Answer], node: Node, source: str) -> None:
    """A server of the node itself sees who asked; one of another node sees the node, since the
    answer must come back that way."""
    for answer in answers:
        assert answer.body is not None, answer
        where = answer.body["node"]
        saw = source if where == node.name else str(node.address)
        expect(answer, saw=saw, from_=source, to=f"{node.name}'s port, served on {where}")


@pytest.mark.parametrize("way", [("http", 80), ("udp", 53)], ids=["http", "udp"])
def test_from_a_vm(
    shared: Namespace,
    cluster: Cluster,
    machine: ContainerPlace,
    vm: Vm,
    way: tuple[Literal["http", "udp"], int],
) -> None:
    """Every node, also one without a server, leads to all servers."""
    kind, port = way
    number = node_port(shared, "everywhere", port)
    for node in cluster.nodes:
        probe = Probe(kind, str(node.address), number)
        answers = settled(machine, probe, servers(shared).values())
        check_sources(answers, node, str(vm.address))


def test_from_another_node(shared: Namespace, cluster: Cluster, lab: Lab) -> None:
    """A node that has no server asks a worker: the choice is made where the question comes from,
    so that every server sees the asking node, whichever worker was asked."""
    asking = cluster.control_plane
    number = node_port(shared, "everywhere")
    place = ContainerPlace(lab.docker, asking.name)

    def many(node: Node) -> list[Answer]:
        # By curl: nodes have no Python.
        return http_many(place, f"http://{node.address}:{number}/", MANY)

    for node in cluster.workers:
        ask = partial(many, node)
        what = f"all servers answer at {node.name}"
        eventually_from(ask, servers(shared).values(), what=what)
        for answer in ask():
            expect(answer, saw=str(asking.address), from_=asking.name, to=node.name)


def test_from_a_pod(shared: Namespace, cluster: Cluster) -> None:
    """At its own node a pod is seen as itself everywhere; at another as anybody from outside."""
    number, client = node_port(shared, "everywhere"), shared.pod("client")
    place = shared.place(client)
    for node in cluster.nodes:
        answers = settled(place, Probe("http", str(node.address), number), servers(shared).values())
        if node.name == client.node:
            assert {answer.saw for answer in answers} == {client.ip}
        else:
            check_sources(answers, node, client.ip)


def test_local_answers_where_a_server_is(
    shared: Namespace, cluster: Cluster, machine: ContainerPlace, vm: Vm
) -> None:
    """externalTrafficPolicy Local: each worker leads to its own server, which sees the client;
    the control plane, which has none, refuses. Under policy Cluster it answers."""
    number = node_port(shared, "local")
    for node in cluster.workers:
        answers = settled(
            machine, Probe("http", str(node.address), number), [servers(shared)[node.name]]
        )
        assert {answer.saw for answer in answers} == {str(vm.address)}
    without = cluster.control_plane
    assert without.name not in servers(shared)
    url = f"http://{without.address}:{number}/"
    expect(http(machine, url), outcome=Outcome.REFUSED, to=f"{without.name} without a server")
    shared.patch("service", "local", {"spec": {"externalTrafficPolicy": "Cluster"}})
    eventually(
        lambda: http(machine, url),
        who=set(servers(shared).values()),
        saw=str(without.address),
        what="policy Cluster answers everywhere",
    )


def test_a_port_that_is_given_back(
    shared: Namespace, cluster: Cluster, machine: ContainerPlace
) -> None:
    """Once the Service is a ClusterIP, its port of the nodes is closed like any other."""
    number = node_port(shared, "closing")
    urls = [f"http://{node.address}:{number}/" for node in cluster.nodes]
    for url in urls:
        eventually(partial(http, machine, url), who=set(servers(shared).values()), what=url)
    shared.patch("service", "closing", {"spec": {"type": "ClusterIP"}})
    for url in urls:
        eventually(partial(http, machine, url), outcome=Outcome.REFUSED, what=f"{url} is closed")


def test_health_check_port(shared: Namespace, cluster: Cluster, machine: ContainerPlace) -> None:
    """What a load balancer asks of nodes under policy Local: 200 where the server is, 503 where
    it is not, and 503 everywhere when there is none."""
    one, other = shared.pods("app=server")[:2]
    number = shared.service("balanced")["spec"]["healthCheckNodePort"]
    addresses = {node.name: node.address for node in cluster.nodes}

    def asked() -> dict[str, int]:
        return {
            node.name: http(machine, f"http://{node.address}:{number}/healthz").status
            for node in cluster.nodes
        }

    def only(*names: str) -> None:
        until(
            asked,
            lambda seen: seen == {name: 200 if name in names else 503 for name in addresses},
            what=f"of the nodes, {', '.join(names) or 'none'} is healthy",
            timeout=TIMEOUTS.datapath,
            in_a_row=2,
        )

    only()
    try:
        for pod in (one, other):
            shared.label(f"pod/{pod.name}", side="one")
            only(pod.node)
            answer = http(machine, f"http://{addresses[pod.node]}:{number}/healthz")
            expect(answer, status=200, from_="a load balancer", to=pod.node)
            assert answer.body is not None
            assert answer.body["localEndpoints"] == 1
            shared.label(f"pod/{pod.name}", side=None)
            only()
    finally:
        for pod in (one, other):
            shared.label(f"pod/{pod.name}", side=None)

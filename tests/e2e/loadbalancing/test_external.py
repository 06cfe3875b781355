"""Services of type LoadBalancer, reached by a client outside the cluster: who answers, by way of
which node, and which source address the pod sees."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from gkelab.containers import name_of
from gkelab.topology import Cluster, Node
from gkelab.wait import until
from tests.support.balancers import balancer
from tests.support.by_node import by_way_of
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.parse import addresses, neighbours
from tests.support.probes import ContainerPlace, http, http_many
from tests.support.say import expect
from tests.support.stats import requests_needed, spread_problems
from tests.support.timeouts import TIMEOUTS

MANY = requests_needed(1 / 2)
SPREAD = 60  # enough that an uneven choice between two shows
DOOMED = -3  # of the external pool; MetalLB gives the lowest free one


@pytest.fixture(scope="module")
def servers(shared: Namespace) -> dict[str, str]:
    """The servers' names by node."""
    return {pod.node: pod.name for pod in shared.pods("app=server")}


def answering(shared: Namespace, client: ContainerPlace, service: str, **wanted: Any) -> str:
    """The load balancer's address, once it answers there as wanted."""
    address = shared.address(service)
    ask = f"http://{address}/"
    eventually(lambda: http(client, ask), what=f"{service} answers at {address}", **wanted)
    return address


def test_local_keeps_the_clients_address(
    shared: Namespace,
    client: ContainerPlace,
    cluster: Cluster,
    outside: str,
    servers: dict[str, str],
) -> None:
    """externalTrafficPolicy Local: a pod answers, and sees the client outside itself. By way of
    each worker it is that worker's own."""
    address = answering(shared, client, "local", who=set(servers.values()), saw=outside)
    assert IPv4Address(address) in cluster.external_pool
    for node in cluster.workers:
        for answer in by_way_of(shared.lab, address, node, 5):
            saw = str(cluster.subnet.bridge_address)
            expect(answer, who=servers[node.name], saw=saw, to=f"{address} by {node.name}")


def test_cluster_hides_the_client_behind_the_node_on_the_way(
    shared: Namespace,
    client: ContainerPlace,
    cluster: Cluster,
    servers: dict[str, str],
) -> None:
    """The counterfactual: under policy Cluster every node leads to all pods; its own see the
    client, those of other nodes see the node."""
    address = answering(shared, client, "cluster", who=set(servers.values()))
    for node in cluster.workers:
        answers = by_way_of(shared.lab, address, node, MANY)
        for answer in answers:
            assert answer.body is not None, answer
            near = answer.body["node"] == node.name
            saw = str(cluster.subnet.bridge_address if near else node.address)
            expect(answer, who=set(servers.values()), saw=saw, to=f"{address} by {node.name}")
        assert {answer.who for answer in answers} == set(servers.values())


@pytest.fixture
def one_sided(
    shared: Namespace, two_workers: tuple[Node, Node], servers: dict[str, str]
) -> Iterator[tuple[Node, Node]]:
    """A worker whose server is behind the Service `one`, and another whose server is not."""
    here, there = two_workers
    shared.label(f"pod/{servers[here.name]}", side="one")
    try:
        yield here, there
    finally:
        for node in two_workers:
            shared.label(f"pod/{servers[node.name]}", side=None)


def test_local_is_answered_by_way_of_nodes_that_have_a_pod(
    shared: Namespace,
    client: ContainerPlace,
    outside: str,
    servers: dict[str, str],
    one_sided: tuple[Node, Node],
) -> None:
    """A node without one refuses; under policy Cluster it passes on, and the pod sees the node."""
    here, there = one_sided
    own = servers[here.name]
    address = answering(shared, client, "one", who=own, saw=outside)

    def by(node: Node) -> Answer:
        return by_way_of(shared.lab, address, node, 1)[0]

    host = str(shared.cluster.subnet.bridge_address)
    expect(by(here), who=own, saw=host, to=f"{address} by {here.name}")
    expect(by(there), outcome=Outcome.REFUSED, to=f"{address} by {there.name}")
    try:
        shared.patch("service", "one", {"spec": {"externalTrafficPolicy": "Cluster"}})
        eventually(lambda: by(there), who=own, saw=str(there.address), what=f"by {there.name}")
    finally:
        shared.patch("service", "one", {"spec": {"externalTrafficPolicy": "Local"}})
    eventually(lambda: by(there), outcome=Outcome.REFUSED, what=f"Local again by {there.name}")


def test_the_node_with_the_pod_announces(
    shared: Namespace,
    client: ContainerPlace,
    outside: str,
    servers: dict[str, str],
    one_sided: tuple[Node, Node],
) -> None:
    """To the VPC router the address is at the node that has the pod. When the pod of another node
    is chosen instead, the address moves there."""
    here, there = one_sided
    address = answering(shared, client, "one", who=servers[here.name], saw=outside)
    macs = {node.name: mac_of(shared, node) for node in one_sided}
    router = ContainerPlace(shared.lab.docker, name_of(shared.lab, "router"))
    assert mac_behind(router, address) == macs[here.name]
    shared.label(f"pod/{servers[there.name]}", side="one")
    shared.label(f"pod/{servers[here.name]}", side=None)
    eventually(
        lambda: http(client, f"http://{address}/", timeout=TIMEOUTS.short),
        who=servers[there.name],
        saw=outside,
        what=f"{address} has moved to {there.name}",
    )
    assert mac_behind(router, address) == macs[there.name]


def mac_of(shared: Namespace, node: Node) -> str:
    """The hardware address of a node on its subnet."""
    place = ContainerPlace(shared.lab.docker, node.name)
    (eth0,) = addresses(place.exec(["ip", "-json", "address", "show", "dev", "eth0"]).stdout)
    return eth0.mac


def mac_behind(router: ContainerPlace, address: str) -> str:
    """Whose hardware address the router has for an IP address; it has just been used."""
    found = neighbours(router.exec(["ip", "-json", "neigh", "show", "to", address]).stdout)
    return "".join(neighbour.mac for neighbour in found)


def test_connections_are_spread_evenly(
    shared: Namespace,
    client: ContainerPlace,
    two_workers: tuple[Node, Node],
    servers: dict[str, str],
) -> None:
    """Over all pods, wherever they are, within what chance allows. The counterfactual: under
    policy Local the announcing node gives everything to its own."""
    members = set(servers.values())

    def who_answers(service: str) -> list[str]:
        address = answering(shared, client, service, who=members)
        answers = http_many(client, f"http://{address}/", SPREAD)
        return [expect(answer, who=members, to=address).who or "" for answer in answers]

    assert not spread_problems(who_answers("cluster"), members)
    assert spread_problems(who_answers("local"), members)


@pytest.mark.parametrize("service", ["internal", "internal-legacy"])
def test_internal_takes_its_address_from_the_subnet(
    shared: Namespace,
    machine: ContainerPlace,
    cluster: Cluster,
    servers: dict[str, str],
    service: str,
) -> None:
    """GKE's annotation, the current and the older one, makes it internal: an address inside the
    subnet's primary range, for a machine of the VPC. Without it (the counterfactual) the same
    Service is external."""
    address = answering(shared, machine, service, who=set(servers.values()))
    assert IPv4Address(address) in cluster.internal_pool
    assert cluster.internal_pool.subnet_of(cluster.subnet.primary)
    assert IPv4Address(shared.address("cluster")) in cluster.external_pool


def test_internal_is_not_for_the_internet(
    shared: Namespace, client: ContainerPlace, machine: ContainerPlace, servers: dict[str, str]
) -> None:
    """At an internal address nobody answers the internet's client, which the external Service in
    front of the same pods answers."""
    internal = answering(shared, machine, "internal", who=set(servers.values()))
    answer = http(client, f"http://{internal}/", timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, to=internal)
    answering(shared, client, "cluster", who=set(servers.values()))


def test_a_deleted_service_stops_answering(
    shared: Namespace, client: ContainerPlace, servers: dict[str, str]
) -> None:
    """Without the Service nobody answers at its address, one that no other test is given soon."""
    asked_for = str(shared.cluster.external_pool[DOOMED])
    shared.apply([balancer("doomed", loadBalancerIP=asked_for)])
    address = answering(shared, client, "doomed", who=set(servers.values()))
    shared.remove("service", "doomed")
    until(
        lambda: http(client, f"http://{address}/", timeout=TIMEOUTS.short).outcome,
        lambda outcome: outcome is Outcome.TIMEOUT,
        what=f"{address} does not answer any more",
        timeout=TIMEOUTS.datapath,
        in_a_row=2,
    )

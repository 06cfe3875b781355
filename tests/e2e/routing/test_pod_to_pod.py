"""Pods on different nodes talk with their own addresses, un-NATed and unencapsulated."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from tests.support.capture import capture
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, Probe, http, probe_many
from tests.support.say import expect


def two_nodes(namespace: Namespace) -> tuple[Pod, Pod]:
    """A client and a server on different workers."""
    pods = namespace.pods("app=server")
    first = pods[0]
    other = next((pod for pod in pods if pod.node != first.node), None)
    if other is None:
        pytest.skip("this topology has one worker; pods of different nodes need two")
    return first, other


def test_the_server_sees_the_clients_pod_address(namespace: Namespace) -> None:
    """TCP, UDP and HTTP across nodes: the server sees the client pod's own address."""
    client, server = two_nodes(namespace)
    answers = probe_many(
        namespace.place(client),
        [
            Probe("http", server.ip, 8080),
            Probe("tcp", server.ip, 9000),
            Probe("udp", server.ip, 9001),
        ],
    )
    for answer in answers:
        expect(answer, who=server.name, saw=client.ip, from_=client.name, to=server.name)


def test_nobody_answers_at_an_address_that_no_pod_has(namespace: Namespace) -> None:
    """The counterfactual: the same probe to an address of the same podCIDR that no pod gets (its
    last one, as other tests' pods come and go) fails."""
    client, server = two_nodes(namespace)
    nodes = {node["metadata"]["name"]: node for node in namespace.kubectl.list("nodes")}
    free = IPv4Network(nodes[server.node]["spec"]["podCIDR"])[-1]
    answer = http(namespace.place(client), f"http://{free}:8080/")
    assert answer.outcome in (Outcome.TIMEOUT, Outcome.UNREACHABLE), answer


def test_a_closed_port_refuses(namespace: Namespace) -> None:
    """A port where nothing listens is REFUSED by the pod itself, not dropped on the way."""
    client, server = two_nodes(namespace)
    answer = http(namespace.place(client), f"http://{server.ip}:8081/")
    expect(answer, outcome=Outcome.REFUSED, from_=client.name, to=f"{server.name}:8081")


def test_packets_between_nodes_carry_pod_addresses(namespace: Namespace) -> None:
    """On the wire between nodes: the pods' addresses, no tunnel, no second IP header."""
    client, server = two_nodes(namespace)
    node = ContainerPlace(namespace.lab.docker, server.node)
    with capture(node, filter=f"tcp port 8080 and host {server.ip}") as packets:
        expect(http(namespace.place(client), f"http://{server.ip}:8080/"), who=server.name)
    requests = [p for p in packets if p.destination == server.ip and p.destination_port == 8080]
    assert requests, f"no request to {server.ip} crossed {server.node}'s eth0: {packets}"
    assert {packet.source for packet in requests} == {client.ip}
    assert all(packet.encapsulation is None or packet.encapsulation == "" for packet in requests)

"""Pods on different nodes talk with their own addresses, un-NATed, unencapsulated and in packets
of the network's whole size."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

import pytest
import testinfra

from gkelab.tools.cilium import Agent, Cilium, parse_flows
from gkelab.tools.kubectl import Kubectl
from tests.support import changes
from tests.support.capture import Packet, capture
from tests.support.eventually import eventually, until_answered
from tests.support.namespace import Namespace, Pod
from tests.support.outcomes import Answer, Outcome
from tests.support.parse import links, routes
from tests.support.ping import HEADERS, ping
from tests.support.probes import ContainerPlace, Probe, http, http_many, probe_many, udp
from tests.support.say import expect
from tests.support.stats import requests_needed
from tests.support.timeouts import TIMEOUTS

VXLAN = 8472
# Cilium's ipv4-service-loopback-address: a pod cannot get its own packet back from its own address.
LOOPBACK = "169.254.42.1"


@pytest.fixture(scope="module")
def client(shared: Namespace) -> Pod:
    """The pod that asks."""
    return shared.pods("app=server")[0]


@pytest.fixture(scope="module")
def server(shared: Namespace, client: Pod) -> Pod:
    """A pod of another node."""
    for pod in shared.pods("app=server"):
        if pod.node != client.node:
            return pod
    pytest.skip("this topology has one worker; pods of different nodes need two")


def on_node(shared: Namespace, pod: Pod) -> ContainerPlace:
    """The node of a pod."""
    return ContainerPlace(shared.lab.docker, pod.node)


def test_the_server_sees_the_clients_pod_address(
    shared: Namespace, client: Pod, server: Pod
) -> None:
    """TCP, UDP and HTTP across nodes: the server sees the client pod's own address."""
    answers = probe_many(
        shared.place(client),
        [
            Probe("http", server.ip, 8080),
            Probe("tcp", server.ip, 9000),
            Probe("udp", server.ip, 9001),
        ],
    )
    for answer in answers:
        expect(answer, who=server.name, saw=client.ip, from_=client.name, to=server.name)


def test_nobody_answers_at_an_address_that_no_pod_has(
    shared: Namespace, client: Pod, server: Pod
) -> None:
    """The counterfactual: the same probe to an address of the same podCIDR that no pod gets (its
    last one, as other tests' pods come and go) fails."""
    nodes = {node["metadata"]["name"]: node for node in shared.kubectl.list("nodes")}
    free = IPv4Network(nodes[server.node]["spec"]["podCIDR"])[-1]
    answer = http(shared.place(client), f"http://{free}:8080/")
    expect(answer, outcome=Outcome.TIMEOUT, from_=client.name, to=f"{free}, which no pod has")


def test_a_closed_port_refuses(shared: Namespace, client: Pod, server: Pod) -> None:
    """A port where nothing listens is REFUSED by the pod itself, not dropped on the way."""
    answer = http(shared.place(client), f"http://{server.ip}:8081/")
    expect(answer, outcome=Outcome.REFUSED, from_=client.name, to=f"{server.name}:8081")


def test_without_a_way_nobody_answers(shared: Namespace, client: Pod, server: Pod) -> None:
    """The counterfactual: it is the node's route that leads there. With one to nowhere for this
    one pod, in front of it, the pod is silent; without that it answers again."""
    place, url = shared.place(client), f"http://{server.ip}:8080/"
    expect(http(place, url), who=server.name, from_=client.name, to=server.name)
    with changes.route(on_node(shared, client), "unreachable", f"{server.ip}/32"):
        answer = http(place, url, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, from_=client.name, to=f"{server.name}, without a way")
    eventually(lambda: http(place, url), who=server.name, what="the way is back")


def flows(packets: Iterable[Packet]) -> set[tuple[str, int, str, int]]:
    """Who sent to whom, addresses and ports."""
    return {(p.source, p.source_port, p.destination, p.destination_port) for p in packets}


def test_packets_cross_as_the_pods_made_them(shared: Namespace, client: Pod, server: Pod) -> None:
    """Between the nodes: the pods' addresses and ports both where packets leave and where they
    arrive, no tunnel, no second IP header."""
    words = f"tcp port 8080 and host {client.ip} and host {server.ip}"
    with (
        capture(on_node(shared, client), filter=words) as left,
        capture(on_node(shared, server), filter=words) as arrived,
    ):
        answer = http(shared.place(client), f"http://{server.ip}:8080/")
    expect(answer, who=server.name, saw=client.ip)
    assert answer.body is not None
    port = answer.body["source_port"]
    both_ways = {(client.ip, port, server.ip, 8080), (server.ip, 8080, client.ip, port)}
    assert flows(left) == both_ways, f"at {client.node}: {left}"
    assert flows(arrived) == both_ways, f"at {server.node}: {arrived}"
    assert {packet.encapsulation for packet in [*left, *arrived]} == {""}


def test_hubbles_relay_tells_of_both_nodes(
    shared: Namespace, kubectl: Kubectl, client: Pod, server: Pod
) -> None:
    """A request between nodes is in the flows of both, which the relay brings together. The
    counterfactual: the client's own agent knows of what its node saw alone."""
    relay = kubectl.get("service", "hubble-relay", "kube-system")
    assert relay is not None
    (agent,) = (each for each in Cilium(kubectl).agents() if each.node == client.node)
    port = relay["spec"]["ports"][0]["port"]
    asked = ["--server", f"{relay['spec']['clusterIP']}:{port}"]
    both = {client.node, server.node}

    def request() -> tuple[Answer, set[str]]:
        answer = http(shared.place(client), f"http://{server.ip}:8080/")
        return answer, saw_flows(kubectl, agent, shared, client, server, *asked)

    answer, nodes = until_answered(
        request,
        lambda seen: seen[1] == both,
        lambda seen: [seen[0]],
        what=f"the relay tells of {client.node} and {server.node}",
    )
    expect(answer, who=server.name, saw=client.ip)
    assert nodes == both
    assert saw_flows(kubectl, agent, shared, client, server) == {client.node}


def saw_flows(
    kubectl: Kubectl, agent: Agent, shared: Namespace, client: Pod, server: Pod, *where: str
) -> set[str]:
    """The nodes that saw requests of the one pod to the other, as Hubble knows them that an
    agent's command asks: the agent's own, if `where` names no other server."""
    pods = [f"--from-pod={shared.name}/{client.name}", f"--to-pod={shared.name}/{server.name}"]
    argv = ["hubble", "observe", "--last=100", "--output=jsonpb", *pods, *where]
    told = Cilium(kubectl).exec(agent, argv, timeout=TIMEOUTS.hubble)
    return {flow.node for flow in parse_flows(told.stdout)}


def test_a_tunnel_would_be_seen(shared: Namespace, client: Pod, server: Pod) -> None:
    """The counterfactual: what the client itself sends to VXLAN's port is seen as VXLAN."""
    words = f"udp port {VXLAN} and host {client.ip} and host {server.ip}"
    with capture(on_node(shared, server), filter=words, until_seen=bool) as packets:
        udp(shared.place(client), server.ip, VXLAN, timeout=TIMEOUTS.short)
    seen = [packet.encapsulation for packet in packets if packet.destination == server.ip]
    assert seen == ["VXLAN"]


def test_the_whole_mtu_gets_through(
    shared: Namespace, client: Pod, server: Pod, nodes: dict[str, testinfra.host.Host]
) -> None:
    """The largest packet of the nodes' network goes from pod to pod as it is; one byte more does
    not leave, and with a smaller MTU on the way neither does the largest."""
    (eth0,) = links(nodes[client.node].check_output("ip -json -details link show dev eth0"))
    place, largest = shared.place(client), eth0.mtu - HEADERS

    def send(payload: int, outcome: Outcome, why: str) -> None:
        answer = ping(place, server.ip, payload=payload)
        expect(answer, outcome=outcome, from_=client.name, to=f"{server.name}, {payload} {why}")

    send(largest, Outcome.OK, "bytes: the whole MTU")
    send(largest + 1, Outcome.TOO_LONG, "bytes: one too many")
    (way,) = routes(place.exec(["ip", "-json", "route", "get", server.ip]).stdout)
    smaller = ["via", *way.gateways, "dev", *way.devices, "mtu", str(eth0.mtu - 100)]
    with changes.route(place, f"{server.ip}/32", *smaller):
        send(largest, Outcome.TOO_LONG, "bytes on a way with a smaller MTU")
    send(largest, Outcome.OK, "bytes: the whole MTU again")


def test_a_pod_reaches_itself_by_its_service(shared: Namespace, client: Pod) -> None:
    """A Service's own pod may be what the Service chooses for it: then it sees Cilium's loopback
    address, another pod sees the client's own."""
    url = f"http://{shared.service_ip('server')}/"
    servers = {pod.name for pod in shared.pods("app=server")}
    eventually(lambda: http(shared.place(client), url), who=servers, what="the Service answers")
    answers = http_many(shared.place(client), url, requests_needed(1 / 2))
    for answer in answers:
        source = LOOPBACK if answer.who == client.name else client.ip
        expect(answer, who=servers, saw=source, from_=client.name, to=f"its Service {url}")
    assert {answer.who for answer in answers} == servers

"""A ClusterIP: an address of the services range that only the cluster knows."""

from __future__ import annotations

from ipaddress import IPv4Address

from gkelab.tools.kubectl import Object
from tests.support.by_node import by_way_of
from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http, http_many
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS


def test_every_pod_behind_it_answers(namespace: Namespace) -> None:
    """Requests are spread over the pods; each sees the client pod's own address."""
    address = namespace.service_ip("server")
    assert IPv4Address(address) in namespace.cluster.services_range
    client = namespace.pod("client")
    servers = {pod.name for pod in namespace.pods("app=server")}
    answers = http_many(namespace.place(client), f"http://{address}/", 40)
    for answer in answers:
        expect(answer, who=servers, saw=client.ip, from_="client", to=f"Service server {address}")
    assert {answer.who for answer in answers} == servers


def test_by_name(namespace: Namespace) -> None:
    """The Service's DNS name leads to the same pods."""
    name = f"server.{namespace.name}.svc.cluster.local"
    servers = {pod.name for pod in namespace.pods("app=server")}
    expect(http(namespace.place("client"), f"http://{name}/"), who=servers, to=name)


def test_without_pods_it_does_not_answer(namespace: Namespace) -> None:
    """The counterfactual: scaled to zero, the same request finds nobody."""
    address = namespace.service_ip("server")
    place = namespace.place("client")
    expect(http(place, f"http://{address}/"), to="server before it is scaled to zero")
    namespace.kubectl("scale", "deployment/server", "--replicas=0", f"--namespace={namespace.name}")
    eventually(
        lambda: http(place, f"http://{address}/"),
        outcome=Outcome.REFUSED,
        what="nobody answers",
    )


def test_it_is_unreachable_from_outside(namespace: Namespace, client: ContainerPlace) -> None:
    """A client outside the cluster gets nowhere: ClusterIPs are the cluster's own."""
    address = namespace.service_ip("server")
    answer = http(client, f"http://{address}/")
    expect(answer, outcome=Outcome.UNREACHABLE, from_="the client outside", to=address)


def test_nodes_serve_it_to_nobody_outside(namespace: Namespace) -> None:
    """Nor does a node take in what is led to it for the ClusterIP. The counterfactual: led there
    the same way, a request for a pod's own address is answered, and (loadbalancing/test_external)
    one for a load balancer's."""
    lab, pod = namespace.lab, namespace.pods("app=server")[0]
    address = namespace.service_ip("server")
    (node,) = (n for n in namespace.cluster.nodes if n.name == pod.node)
    host = str(namespace.cluster.subnet.bridge_address)
    (answer,) = by_way_of(lab, pod.ip, node, 1, port=8080)
    expect(answer, who=pod.name, saw=host, to=f"{pod.name} by {node.name}")
    (answer,) = by_way_of(lab, address, node, 1, timeout=TIMEOUTS.short)
    expect(answer, outcome=Outcome.TIMEOUT, to=f"{address} by {node.name}")


def test_endpoints_are_the_pods(namespace: Namespace) -> None:
    """The EndpointSlices list just the pods' addresses."""
    slices: list[Object] = namespace.kubectl.list("endpointslices", namespace.name)
    listed = {a for s in slices for e in s["endpoints"] or [] for a in e["addresses"]}
    assert listed == {pod.ip for pod in namespace.pods("app=server")}

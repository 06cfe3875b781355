"""Services of type LoadBalancer, reached by a client outside the cluster."""

from __future__ import annotations

from ipaddress import IPv4Address

from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect


def test_local_keeps_the_clients_address(
    namespace: Namespace, client: ContainerPlace, cluster: Cluster
) -> None:
    """externalTrafficPolicy Local: a pod answers, and sees the client outside itself."""
    address = namespace.address("local")
    assert IPv4Address(address) in cluster.external_pool
    servers = {pod.name for pod in namespace.pods("app=server")}
    outside = str(cluster.subnet.lab_address(0))
    answer = until(
        lambda: http(client, f"http://{address}/"),
        lambda answer: answer.outcome is Outcome.OK,
        what=f"the load balancer {address} answers",
        timeout=30,
    )
    expect(answer, who=servers, saw=outside, from_="the client outside", to=address)


def test_cluster_hides_the_client_behind_a_node(
    namespace: Namespace, client: ContainerPlace, cluster: Cluster
) -> None:
    """The counterfactual: under policy Cluster, a pod of another node sees a node's address."""
    address = namespace.address("local")
    patch = '{"spec":{"externalTrafficPolicy":"Cluster"}}'
    where = f"--namespace={namespace.name}"
    namespace.kubectl("patch", "service", "local", "--type=merge", f"--patch={patch}", where)
    outside = str(cluster.subnet.lab_address(0))
    nodes = {str(node.address) for node in cluster.workers}
    seen: set[str | None] = set()

    def ask() -> set[str | None]:
        answer = http(client, f"http://{address}/")
        if answer.outcome is Outcome.OK:
            seen.add(answer.saw)
        return seen

    until(
        ask, lambda s: bool(s & nodes), what="a pod sees a node's address", timeout=30, interval=0.1
    )
    assert seen <= nodes | {outside}


def test_internal_takes_its_address_from_the_subnet(
    namespace: Namespace, client: ContainerPlace, cluster: Cluster
) -> None:
    """GKE's annotation makes it internal: an address inside the subnet's primary range."""
    address = namespace.address("internal")
    assert IPv4Address(address) in cluster.internal_pool
    assert cluster.internal_pool.subnet_of(cluster.subnet.primary)
    servers = {pod.name for pod in namespace.pods("app=server")}
    answer = until(
        lambda: http(client, f"http://{address}/"),
        lambda answer: answer.outcome is Outcome.OK,
        what=f"the internal load balancer {address} answers",
        timeout=30,
    )
    expect(answer, who=servers, from_="a machine of the subnet", to=address)


def test_a_deleted_service_stops_answering(namespace: Namespace, client: ContainerPlace) -> None:
    """Without the Service nobody answers at its address."""
    address = namespace.address("local")
    until(
        lambda: http(client, f"http://{address}/").outcome,
        lambda outcome: outcome is Outcome.OK,
        what=f"{address} answers first",
        timeout=30,
    )
    namespace.remove("service", "local")
    until(
        lambda: http(client, f"http://{address}/").outcome,
        lambda outcome: outcome in (Outcome.TIMEOUT, Outcome.UNREACHABLE),
        what=f"{address} does not answer any more",
        timeout=30,
    )

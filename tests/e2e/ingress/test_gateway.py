"""Istio's ingress gateway behind MetalLB, in front of the sample workloads of the mesh: who
answers for a path, and whose address the workload is told."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster, Vm
from tests.support.ingress import Gateway
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect

HOST = "whoami.example.com"


def pods(kubectl: Kubectl, version: str) -> set[str]:
    """The pods of a version, each with its sidecar."""
    found = kubectl.list("pods", "sample-mesh", f"app=whoami,version={version}")
    for pod in found:
        names = [c["name"] for c in pod["spec"]["containers"]]
        names += [c["name"] for c in pod["spec"].get("initContainers", [])]
        assert "istio-proxy" in names, f"{pod['metadata']['name']} has no sidecar"
    return {pod["metadata"]["name"] for pod in found}


def test_its_address_is_of_the_external_pool(gateway: Gateway, cluster: Cluster) -> None:
    """It is an external passthrough load balancer, which keeps the client's address."""
    assert IPv4Address(gateway.address) in cluster.external_pool
    assert gateway.service["spec"]["externalTrafficPolicy"] == "Local"


@pytest.mark.parametrize(
    ("path", "version"), [("/", "v1"), ("/v1", "v1"), ("/v2", "v2"), ("/v2/x", "v2")]
)
def test_routes_by_path(
    kubectl: Kubectl, client: ContainerPlace, gateway: Gateway, path: str, version: str
) -> None:
    """The path decides which version's pods answer."""
    answer = http(client, f"http://{gateway.address}{path}", host=HOST)
    expect(answer, who=pods(kubectl, version), from_="the client outside", to=f"{HOST}{path}")


def test_another_host_is_not_found(client: ContainerPlace, gateway: Gateway) -> None:
    """The counterfactual: a host that no Gateway declares gets 404 from the gateway itself."""
    answer = http(client, f"http://{gateway.address}/", host="other.example.com")
    expect(answer, outcome=Outcome.HTTP_ERROR, status=404, to="other.example.com")
    assert answer.who is None, "a workload answered for a host that is not its own"


def told(client: ContainerPlace, url: str, **headers: str) -> dict[str, str]:
    """The headers that the workload was given with a request that has these itself."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = http(client, url, host=HOST, headers=sent)
    expect(answer, to=HOST)
    assert answer.body is not None
    return dict(answer.body["headers"])


def test_the_backend_is_told_the_clients_address(
    client: ContainerPlace, gateway: Gateway, outside: str
) -> None:
    """x-forwarded-for at the backend is the client outside, as policy Local keeps it. What a
    client says of itself stays in front of that, and is not believed, as with Google's own load
    balancers: the last address is the one that was seen."""
    url = f"http://{gateway.address}/"
    plain = told(client, url)
    assert plain["x-forwarded-for"] == outside
    assert plain["x-envoy-external-address"] == outside
    forged = told(client, url, x_forwarded_for="192.0.2.7", x_envoy_external_address="192.0.2.8")
    assert [a.strip() for a in forged["x-forwarded-for"].split(",")] == ["192.0.2.7", outside]
    assert forged["x-envoy-external-address"] == outside


def test_only_the_gateways_own_node_takes_it_in(
    machine: ContainerPlace, gateway: Gateway, cluster: Cluster, vm: Vm
) -> None:
    """What policy Local costs: the gateway's node port answers on its node, with the address kept
    of who asks, a VM, and on no other, which would have to hide that."""
    (port,) = (p["nodePort"] for p in gateway.service["spec"]["ports"] if p["port"] == 80)
    own = next(str(node.address) for node in cluster.nodes if node.name == gateway.node)
    assert told(machine, f"http://{own}:{port}/")["x-forwarded-for"] == str(vm.address)
    other = http(machine, f"http://{cluster.control_plane.address}:{port}/", host=HOST)
    expect(other, outcome=Outcome.REFUSED, from_=vm.name, to="another node's port")

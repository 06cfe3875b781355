"""Istio's ingress gateway behind MetalLB, in front of the sample workloads of the mesh."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect

HOST = "whoami.example.com"


@pytest.fixture
def gateway(kubectl: Kubectl, cluster: Cluster) -> str:
    """The gateway's address, which is of the external pool."""
    service = kubectl.get("service", "istio-ingressgateway", "istio-system")
    assert service is not None
    address = str(service["status"]["loadBalancer"]["ingress"][0]["ip"])
    assert IPv4Address(address) in cluster.external_pool
    return address


def pods(kubectl: Kubectl, version: str) -> set[str]:
    """The pods of a version, each with its sidecar."""
    found = kubectl.list("pods", "sample-mesh", f"app=whoami,version={version}")
    for pod in found:
        names = [c["name"] for c in pod["spec"]["containers"]]
        names += [c["name"] for c in pod["spec"].get("initContainers", [])]
        assert "istio-proxy" in names, f"{pod['metadata']['name']} has no sidecar"
    return {pod["metadata"]["name"] for pod in found}


@pytest.mark.parametrize(
    ("path", "version"), [("/", "v1"), ("/v1", "v1"), ("/v2", "v2"), ("/v2/x", "v2")]
)
def test_routes_by_path(
    kubectl: Kubectl, client: ContainerPlace, gateway: str, path: str, version: str
) -> None:
    """The path decides which version's pods answer."""
    answer = http(client, f"http://{gateway}{path}", host=HOST)
    expect(answer, who=pods(kubectl, version), from_="the client outside", to=f"{HOST}{path}")


def test_another_host_is_not_found(client: ContainerPlace, gateway: str) -> None:
    """The counterfactual: a host that no Gateway declares gets 404 from the gateway itself."""
    answer = http(client, f"http://{gateway}/", host="other.example.com")
    expect(answer, outcome=Outcome.HTTP_ERROR, status=404, to="other.example.com")
    assert answer.who is None, "a workload answered for a host that is not its own"


def test_the_backend_is_told_the_clients_address(
    client: ContainerPlace, gateway: str, cluster: Cluster
) -> None:
    """x-forwarded-for at the backend is the client outside, as policy Local keeps it."""
    answer = http(client, f"http://{gateway}/", host=HOST)
    expect(answer, to=HOST)
    assert answer.body is not None
    outside = str(cluster.subnet.lab_address(0))
    assert answer.body["headers"]["x-forwarded-for"] == outside

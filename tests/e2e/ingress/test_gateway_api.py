"""The Kubernetes Gateway API by Istio's class: a Gateway is a proxy and a load balancer of its own,
HTTPRoutes lead to Services, and a namespace's Services are only for routes that it lets in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import pytest

from gkelab.tools.kubectl import Kubectl, Object
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.conditions import Conditions, of, of_route
from tests.support.eventually import eventually
from tests.support.namespace import READY, Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import ContainerPlace, http, http_many
from tests.support.say import expect
from tests.support.spaces import Spaces
from tests.support.stats import split_problems
from tests.support.timeouts import TIMEOUTS

# By their whole names, as Istio has Gateways of its own.
GATEWAY = "gateways.gateway.networking.k8s.io"
ROUTE = "httproutes.gateway.networking.k8s.io"
MADE = {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}


@dataclass(frozen=True)
class Edge:
    """The Gateway in its namespace, its load balancer's address, and its proxy's own."""

    client: ContainerPlace
    namespace: Namespace
    address: str
    proxy: str

    def get(self, host: str, path: str = "/", **options: Any) -> Answer:
        """A request of the client outside."""
        url = f"http://{self.address}{path}"
        return http(self.client, url, host=f"{host}.example.com", **options)


@pytest.fixture(scope="module")
def edge(spaces: Spaces, client: ContainerPlace) -> Edge:
    """The Gateway, once Istio has made its proxy and MetalLB has given it an address."""
    namespace = spaces.by_name["edge"]
    address = namespace.address("edge-istio")
    settled(namespace, GATEWAY, "edge", MADE)
    namespace.wait_ready()
    (proxy,) = namespace.pods("gateway.networking.k8s.io/gateway-name=edge")
    return Edge(client, namespace, address, proxy.ip)


def settled(namespace: Namespace, kind: str, name: str, wanted: Conditions) -> Object:
    """The Gateway or route, once it has these conditions."""
    read = of_route if kind == ROUTE else of
    found = until(
        lambda: namespace.kubectl.get(kind, name, namespace.name),
        lambda item: wanted.items() <= read(item).items(),
        what=f"{kind} {name} has {wanted}",
        timeout=READY,
        describe=lambda item: str(read(item)),
    )
    assert found is not None
    return found


def reach(edge: Edge, host: str, who: str, path: str = "/") -> None:
    """Wait until that pod answers, and sees the Gateway's proxy."""
    eventually(
        lambda: edge.get(host, path),
        what=f"{who} answers {host}{path}",
        who=who,
        saw=edge.proxy,
    )


def test_the_kinds_are_served(kubectl: Kubectl) -> None:
    """The standard channel's kinds, as on a GKE cluster, and Istio's class accepted."""
    group = "gateway.networking.k8s.io"
    listed = kubectl("api-resources", f"--api-group={group}", "--output=name").stdout.split()
    kinds = ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants")
    assert {f"{kind}.{group}" for kind in kinds} <= set(listed)
    for item in kubectl.list("customresourcedefinitions"):
        if item["spec"]["group"] == group:
            assert item["metadata"]["annotations"][f"{group}/channel"] == "standard"
    of_istio = kubectl.get("gatewayclass", "istio")
    assert of_istio is not None
    assert of_istio["spec"]["controllerName"] == "istio.io/gateway-controller"
    assert of(of_istio)["Accepted"] == ("True", "Accepted")


def test_a_gateway_is_a_load_balancer(edge: Edge, cluster: Cluster) -> None:
    """It says the address of its own Service, which is of the external pool; a class that nobody
    serves gets no word, no proxy and no address."""
    assert IPv4Address(edge.address) in cluster.external_pool
    kubectl, name = edge.namespace.kubectl, edge.namespace.name
    until(
        lambda: (kubectl.get(GATEWAY, "edge", name) or {})["status"].get("addresses"),
        lambda addresses: addresses == [{"type": "IPAddress", "value": edge.address}],
        what=f"the Gateway says that its address is {edge.address}",
        timeout=TIMEOUTS.datapath,
    )
    unserved = kubectl.get(GATEWAY, "unserved", name)
    assert unserved is not None
    assert of(unserved)["Accepted"] == ("Unknown", "Pending")
    assert not unserved["status"].get("addresses")
    made = [item["metadata"]["name"] for item in kubectl.list("deployments", name)]
    assert made == ["edge-istio"]


@pytest.mark.parametrize("name", ["first", "second", "matches", "regex", "weights"])
def test_a_route_is_told_what_became_of_it(edge: Edge, name: str) -> None:
    """Accepted by its Gateway, with backends that are there."""
    wanted = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
    found = settled(edge.namespace, ROUTE, name, wanted)
    (parent,) = found["status"]["parents"]
    assert parent["controllerName"] == "istio.io/gateway-controller"


def test_a_backend_that_is_missing(edge: Edge) -> None:
    """A route to a Service that is not there is told so, and its clients get 500 from the proxy;
    with the Service's right name it works."""
    wrong = route("missing", {"name": "edge"}, {"name": "v3", "port": 80})
    with edge.namespace.having([wrong]):
        settled(edge.namespace, ROUTE, "missing", {"ResolvedRefs": ("False", "BackendNotFound")})
        refused(edge, "missing", 500)
        edge.namespace.apply([route("missing", {"name": "edge"}, {"name": "v1", "port": 80})])
        settled(edge.namespace, ROUTE, "missing", {"ResolvedRefs": ("True", "ResolvedRefs")})
        reach(edge, "missing", "v1")
    refused(edge, "missing", 404)


def test_by_host(edge: Edge) -> None:
    """Each host leads to its own Service, another nowhere."""
    reach(edge, "first", "v1")
    reach(edge, "second", "v2")
    refused(edge, "third", 404)


@pytest.fixture(scope="module")
def matches(edge: Edge) -> None:
    """The route of that name is in force."""
    reach(edge, "matches", "v2", "/exact")


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("/", "v1"),
        ("/exact", "v2"),
        ("/exact/", "v1"),
        ("/exactly", "v1"),
        ("/prefix", "v2"),
        ("/prefix/x", "v2"),
        ("/prefixed", "v1"),  # a prefix of segments, where Istio's own is one of letters
    ],
)
def test_by_path(edge: Edge, matches: None, path: str, who: str) -> None:
    """Exact and PathPrefix, each beside what only looks like it."""
    expect(edge.get("matches", path), who=who, saw=edge.proxy, to=path)


def test_by_regular_expression(edge: Edge) -> None:
    """All of the path must match."""
    reach(edge, "regex", "v2", "/r12")
    for path in ("/r", "/r12x", "/x/r12"):
        other = expect(edge.get("regex", path), outcome=Outcome.HTTP_ERROR, status=404, to=path)
        assert other.who is None


@pytest.mark.parametrize(("value", "who"), [("v2", "v2"), ("V2", "v1"), ("v20", "v1")])
def test_by_header(edge: Edge, matches: None, value: str, who: str) -> None:
    """A header of just that value."""
    answer = edge.get("matches", headers={"x-version": value})
    expect(answer, who=who, saw=edge.proxy, to=f"x-version: {value}")


def test_by_weight(edge: Edge) -> None:
    """80 to 20 is what it says, within what chance allows, and is not 20 to 80."""
    eventually(lambda: edge.get("weights"), what="the split is there", who={"v1", "v2"})
    host, url = "weights.example.com", f"http://{edge.address}/"
    answers = http_many(edge.client, url, 200, host=host, fresh=False)
    answered = [str(answer.who) for answer in answers]
    assert not split_problems(answered, {"v1": 80, "v2": 20})
    assert split_problems(answered, {"v1": 20, "v2": 80})


def refused(edge: Edge, host: str, status: int) -> None:
    """Wait until the proxy itself answers with that status."""
    answer = eventually(
        lambda: edge.get(host),
        what=f"{host} gets {status}",
        outcome=Outcome.HTTP_ERROR,
        status=status,
    )
    assert answer.who is None


def route(name: str, parent: Object, backend: Object) -> Object:
    """An HTTPRoute of the host of its name."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [parent],
            "hostnames": [f"{name}.example.com"],
            "rules": [{"backendRefs": [backend]}],
        },
    }


def grant(from_: Namespace) -> Object:
    """Lets the routes of a namespace use the Services of the one that this is put into."""
    group = "gateway.networking.k8s.io"
    return {
        "apiVersion": f"{group}/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "grant"},
        "spec": {
            "from": [{"group": group, "kind": "HTTPRoute", "namespace": from_.name}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }


@pytest.fixture
def foreign(edge: Edge, spaces: Spaces) -> Iterator[Namespace]:
    """The other namespace, with a route to this one's Gateway and Service."""
    other = spaces.by_name["other"]
    here = {"namespace": edge.namespace.name}
    made = route("foreign", {"name": "edge", **here}, {"name": "v1", "port": 80, **here})
    with other.having([made]):
        yield other
        allow(edge, "Same")


def allow(edge: Edge, namespaces: str) -> None:
    """From which namespaces the Gateway's listener takes routes."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    allowed = {"allowedRoutes": {"namespaces": {"from": namespaces}}}
    edge.namespace.patch(GATEWAY, "edge", {"spec": {"listeners": [listener | allowed]}})


def test_another_namespaces_route_needs_two_permissions(edge: Edge, foreign: Namespace) -> None:
    """The listener's, to be attached, and a ReferenceGrant, to use a Service; each is refused
    with its own reason while it is missing, and again once it is taken away."""
    settled(foreign, ROUTE, "foreign", {"Accepted": ("False", "NotAllowedByListeners")})
    refused(edge, "foreign", 404)
    allow(edge, "All")
    settled(
        foreign,
        ROUTE,
        "foreign",
        {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "RefNotPermitted")},
    )
    refused(edge, "foreign", 500)
    with edge.namespace.having([grant(foreign)]):
        settled(foreign, ROUTE, "foreign", {"ResolvedRefs": ("True", "ResolvedRefs")})
        reach(edge, "foreign", "v1")
    settled(foreign, ROUTE, "foreign", {"ResolvedRefs": ("False", "RefNotPermitted")})
    refused(edge, "foreign", 500)


def test_whose_address_the_backend_is_told(
    edge: Edge, cluster: Cluster, machine: ContainerPlace, outside: str
) -> None:
    """Istio makes the Gateway's Service with policy Cluster: whichever node takes a request in
    puts its own address in the client's place. With policy Local the client's stays, and a node
    without the proxy takes nothing in."""
    service = edge.namespace.kubectl.get("service", "edge-istio", edge.namespace.name)
    assert service is not None
    assert service["spec"]["externalTrafficPolicy"] == "Cluster"
    (port,) = (p["nodePort"] for p in service["spec"]["ports"] if p["port"] == 80)
    far = str(cluster.control_plane.address)  # which never runs the proxy

    def by_node() -> Answer:
        return http(machine, f"http://{far}:{port}/", host="first.example.com")

    def told(answer: Answer) -> str:
        return str((answer.body or {}).get("headers", {}).get("x-forwarded-for"))

    hidden = eventually(by_node, what="the far node takes it in", who="v1", saw=edge.proxy)
    assert told(hidden) == far
    try:
        edge.namespace.patch("service", "edge-istio", policy("Local"))
        until(
            lambda: edge.get("first"),
            lambda answer: told(answer) == outside,
            what="the backend is told the client's own address",
            timeout=TIMEOUTS.datapath,
            in_a_row=3,
            interval=0.2,
        )
        eventually(by_node, outcome=Outcome.REFUSED, what="the far node takes nothing in")
    finally:
        edge.namespace.patch("service", "edge-istio", policy("Cluster"))
    eventually(by_node, what="the far node takes it in again", who="v1")


def policy(name: str) -> Object:
    """A Service's externalTrafficPolicy."""
    return {"spec": {"externalTrafficPolicy": name}}

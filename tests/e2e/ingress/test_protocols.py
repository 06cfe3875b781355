"""WebSockets, HTTP/2 and gRPC through the shared gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.eventually import eventually
from tests.support.grpc import unary
from tests.support.ingress import Ingress
from tests.support.istio import gateway as gateway_of
from tests.support.istio import plain, routes, rule, to
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import websocket
from tests.support.say import expect

# Hosts, and the Service's port behind each.
PORTS = {"web": 80, "named": 81, "told": 82, "rpc": 83}
H2 = ["--http2-prior-knowledge"]


@pytest.fixture(scope="module", autouse=True)
def declared(ingress: Ingress) -> Iterator[None]:
    """A host for every port of the Service."""
    made = [
        routes(label, "edge", [ingress.host(label)], rule(to("server", port)))
        for label, port in PORTS.items()
    ]
    with ingress.namespace.having([gateway_of("edge", plain(ingress.host("*"))), *made]):
        yield


def speak(ingress: Ingress, name: str, protocol: str) -> None:
    """Tell the gateway what to speak to that port of the Service."""
    service = ingress.namespace.kubectl.get("service", "server", ingress.namespace.name)
    assert service is not None
    ports = service["spec"]["ports"]
    for port in ports:
        if port["name"] == name:
            port["appProtocol"] = protocol
    ingress.namespace.patch("service", "server", {"spec": {"ports": ports}})


def test_a_websocket(ingress: Ingress, outside: str) -> None:
    """The handshake is passed on and answered by the server, and frames go both ways; without a
    route the same handshake fails."""

    def talk() -> Answer:
        headers = {"Host": ingress.host("web")}
        return websocket(ingress.client, ingress.gateway.address, 80, "/chat", headers=headers)

    def works() -> None:
        answer = eventually(
            talk,
            what="the server talks through a WebSocket",
            status=101,
            who="server",
            saw=ingress.gateway.pod,
        )
        said = answer.body or {}
        assert (said["protocol"], said["received"], said["path"]) == ("websocket", "probe", "/chat")
        assert said["headers"]["x-forwarded-for"] == outside

    works()
    made = routes("web", "edge", [ingress.host("web")], rule(to("server", 80)))
    ingress.namespace.withdraw([made])
    try:
        eventually(talk, what="no WebSocket", outcome=Outcome.HTTP_ERROR, status=404)
    finally:
        ingress.namespace.apply([made])
    works()


@pytest.mark.parametrize(
    ("label", "protocol"), [("web", "HTTP/1.1"), ("named", "HTTP/2"), ("told", "HTTP/2")]
)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_what_the_server_is_spoken_to_in(
    ingress: Ingress, label: str, protocol: str, version: str
) -> None:
    """It is the port's name or appProtocol that says it, whatever the client speaks."""
    answer = eventually(
        lambda: ingress.get(label, extra=H2 if version == "2" else []),
        what=f"the server answers {label}",
        who="server",
        saw=ingress.gateway.pod,
    )
    assert (answer.body or {})["protocol"] == protocol
    assert answer.http_version == version


def test_http2_must_be_told(ingress: Ingress) -> None:
    """The counterfactual: in HTTP/1.1 nothing can be had of a server of HTTP/2 alone; and back."""
    eventually(lambda: ingress.get("told"), what="HTTP/2 is spoken", who="server")
    speak(ingress, "told", "http")
    try:
        answer = eventually(
            lambda: ingress.get("told"), what="HTTP/1.1 is spoken", outcome=Outcome.HTTP_ERROR
        )
        assert answer.who is None
        assert answer.status in (502, 503), answer
    finally:
        speak(ingress, "told", "kubernetes.io/h2c")
    eventually(lambda: ingress.get("told"), what="HTTP/2 is spoken again", who="server")


def call(ingress: Ingress, label: str, method: str = "gkelab.Workload/Ask") -> Answer:
    """A gRPC call at the gateway."""
    return unary(ingress.client, ingress.url(""), method, '{"a": 1}', host=ingress.host(label))


def test_a_grpc_call(ingress: Ingress, outside: str) -> None:
    """A unary call's message and its status, in the trailers, come through both ways."""
    answer = eventually(
        lambda: call(ingress, "rpc"),
        what="the server answers a call",
        who="server",
        saw=ingress.gateway.pod,
    )
    said = answer.body or {}
    assert (said["protocol"], said["received"]) == ("gRPC", 8)
    assert said["headers"]["x-forwarded-for"] == outside
    assert answer.trailers["grpc-status"] == ("0",)
    unknown = call(ingress, "rpc", "gkelab.Workload/Nothing")
    expect(unknown, outcome=Outcome.HTTP_ERROR, to="a method that there is not")
    assert unknown.detail == "gRPC status 12: no method /gkelab.Workload/Nothing"


def test_a_call_to_what_speaks_no_grpc(ingress: Ingress) -> None:
    """The counterfactual: the same call to the server's port of HTTP/1.1 has no status of gRPC's;
    and with its own port spoken to in HTTP/1.1, the gateway itself says that it is unavailable."""
    eventually(lambda: call(ingress, "rpc"), what="the server answers a call", who="server")
    other = call(ingress, "web")
    expect(other, outcome=Outcome.HTTP_ERROR, to="a server of HTTP/1.1")
    assert other.detail == "gRPC status none"
    speak(ingress, "rpc", "http")
    try:
        answer = eventually(
            lambda: call(ingress, "rpc"), what="a call fails", outcome=Outcome.HTTP_ERROR
        )
        assert answer.detail.startswith("gRPC status 14"), answer  # UNAVAILABLE
    finally:
        speak(ingress, "rpc", "grpc")
    eventually(lambda: call(ingress, "rpc"), what="the server answers again", who="server")

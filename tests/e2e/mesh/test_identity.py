"""Who a client is to a server of the mesh: mTLS asked for by PeerAuthentication, and what an
AuthorizationPolicy lets a client do that it has proven to be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gkelab.tools.kubectl import Object
from gkelab.wait import until
from tests.support.eventually import eventually
from tests.support.istio import security
from tests.support.namespace import Namespace
from tests.support.outcomes import Answer, Outcome
from tests.support.probes import http
from tests.support.spaces import Spaces
from tests.support.timeouts import TIMEOUTS

DENIED = "RBAC: access denied"  # Envoy's own words
SIDECAR = "127.0.0.6"  # what a server sees for a source: its own sidecar, as Istio has it
SERVER = {"matchLabels": {"app": "server"}}


@pytest.fixture(scope="module")
def mesh(spaces: Spaces) -> Namespace:
    """The namespace of the mesh."""
    return spaces.by_name["mesh"]


@pytest.fixture(scope="module")
def friend(mesh: Namespace) -> str:
    """Who the client with a sidecar is."""
    return f"cluster.local/ns/{mesh.name}/sa/friend"


def ask(mesh: Namespace, client: str, path: str = "/", method: str = "GET") -> Answer:
    """A request of a client's pod to the server's Service."""
    url = f"http://server.{mesh.name}.svc.cluster.local{path}"
    return http(mesh.place(client, "client"), url, method=method)


def served(mesh: Namespace, client: str, path: str = "/", method: str = "GET") -> dict[str, Any]:
    """Wait until the server answers; the headers that it was given."""
    answer = eventually(
        lambda: ask(mesh, client, path, method),
        what=f"{client} is served {method} {path}",
        who="server",
        saw=SIDECAR,
    )
    assert answer.body is not None
    return dict(answer.body["headers"])


def denied(mesh: Namespace, client: str, path: str = "/", method: str = "GET") -> None:
    """Wait until the server's sidecar says no, in the server's place."""
    answer = eventually(
        lambda: ask(mesh, client, path, method),
        what=f"{client} is denied {method} {path}",
        outcome=Outcome.HTTP_ERROR,
        status=403,
    )
    assert (answer.who, answer.text) == (None, DENIED)


def cut_off(mesh: Namespace, client: str) -> None:
    """Wait until the server's sidecar ends the client's connections."""
    eventually(
        lambda: ask(mesh, client), what=f"{client} is cut off", outcome=Outcome.RESET, in_a_row=3
    )


def sidecar(mesh: Namespace, name: str) -> bool:
    """Whether a pod has one."""
    pod = mesh.kubectl.get("pod", name, mesh.name)
    assert pod is not None
    names = [c["name"] for c in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])]
    return "istio-proxy" in names


def test_pods_of_a_labelled_namespace_have_sidecars(mesh: Namespace) -> None:
    """All but the one that opted out."""
    found = {name: sidecar(mesh, name) for name in ("server", "friend", "plain")}
    assert found == {"server": True, "friend": True, "plain": False}


# --- PeerAuthentication

MODES = ("STRICT", "PERMISSIVE", "DISABLE", "STRICT")


def authentication(mode: str) -> Object:
    """The namespace's PeerAuthentication."""
    return security("PeerAuthentication", "default", mtls={"mode": mode})


def test_mutual_tls(mesh: Namespace, friend: str) -> None:
    """STRICT serves the client with an identity and cuts the other off; PERMISSIVE serves both,
    and tells the server who the one is; with DISABLE it is told of nobody. Back to STRICT, the
    plain one is cut off again."""
    with mesh.having([authentication("STRICT")]):
        for mode in MODES:
            mesh.apply([authentication(mode)])
            if mode == "STRICT":
                cut_off(mesh, "plain")
            else:
                assert "x-forwarded-client-cert" not in served(mesh, "plain")
            proven(mesh, friend, mode != "DISABLE")
    served(mesh, "plain")


def proven(mesh: Namespace, friend: str, by_certificate: bool) -> None:
    """Wait until the server is told who the client with a sidecar is, or is not told."""

    def right(answer: Answer) -> bool:
        if answer.who != "server" or answer.body is None:
            return False
        told = answer.body["headers"].get("x-forwarded-client-cert", "")
        return f"URI=spiffe://{friend}" in told if by_certificate else not told

    until(
        lambda: ask(mesh, "friend"),
        right,
        what=f"the server is told {'of the certificate' if by_certificate else 'of nobody'}",
        timeout=TIMEOUTS.datapath,
        in_a_row=2,
        interval=0.2,
    )


# --- AuthorizationPolicy


def allowing(*rules: Object) -> Object:
    """An AuthorizationPolicy of the server that allows what one of the rules says."""
    return security(
        "AuthorizationPolicy", "server", selector=SERVER, action="ALLOW", rules=list(rules)
    )


@pytest.fixture
def all_open(mesh: Namespace) -> Iterator[None]:
    """No policy is in force before a test, nor after it."""
    served(mesh, "friend")
    served(mesh, "plain")
    yield
    mesh.withdraw([allowing()])
    served(mesh, "plain", "/private", "POST")


def source(**of: list[str]) -> list[Object]:
    """From whom."""
    return [{"source": of}]


def test_by_principal(mesh: Namespace, friend: str, all_open: None) -> None:
    """Only the named account; with another's name in its place, not even that one; and back."""
    mesh.apply([allowing({"from": source(principals=[friend])})])
    denied(mesh, "plain")
    served(mesh, "friend")
    mesh.apply([allowing({"from": source(principals=[friend.replace("friend", "stranger")])})])
    denied(mesh, "friend")
    mesh.apply([allowing({"from": source(principals=[friend])})])
    served(mesh, "friend")
    denied(mesh, "plain")


def test_by_namespace(mesh: Namespace, all_open: None) -> None:
    """Only clients with an identity of the named namespace."""
    mesh.apply([allowing({"from": source(namespaces=[mesh.name])})])
    denied(mesh, "plain")
    served(mesh, "friend")
    mesh.apply([allowing({"from": source(namespaces=["elsewhere"])})])
    denied(mesh, "friend")


def test_by_method_and_path(mesh: Namespace, friend: str, all_open: None) -> None:
    """What is not allowed is denied, to a client that may do other things; another rule of the
    same policy opens just what it says."""
    operation = {"operation": {"methods": ["GET"], "paths": ["/public*"]}}
    first = {"from": source(principals=[friend]), "to": [operation]}
    mesh.apply([allowing(first)])
    denied(mesh, "friend", "/private")
    denied(mesh, "friend", "/public", "POST")
    denied(mesh, "plain", "/public")
    served(mesh, "friend", "/public")
    served(mesh, "friend", "/public/x")
    second = {"to": [{"operation": {"paths": ["/private"]}}]}
    mesh.apply([allowing(first, second)])
    served(mesh, "plain", "/private")
    denied(mesh, "plain", "/public")


def test_a_deny_comes_first(mesh: Namespace, friend: str, all_open: None) -> None:
    """What one policy denies no other allows; without it, the same is allowed."""
    closed = security(
        "AuthorizationPolicy",
        "closed",
        selector=SERVER,
        action="DENY",
        rules=[{"to": [{"operation": {"paths": ["/private"]}}]}],
    )
    mesh.apply([allowing({"from": source(principals=[friend])})])
    with mesh.having([closed]):
        denied(mesh, "friend", "/private")
        served(mesh, "friend", "/public")
    served(mesh, "friend", "/private")
    denied(mesh, "plain", "/private")

"""PeerAuthentication: STRICT refuses plaintext, PERMISSIVE takes it."""

from __future__ import annotations

from typing import Any

from gkelab.wait import until
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import http
from tests.support.say import expect


def authentication(mode: str) -> dict[str, Any]:
    """The namespace's PeerAuthentication."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default"},
        "spec": {"mtls": {"mode": mode}},
    }


def reach(namespace: Namespace, client: str, outcome: Outcome) -> None:
    """Wait until that is what a request from the client to the server comes to."""
    url = f"http://server.{namespace.name}.svc.cluster.local/"
    container = "client"
    answer = until(
        lambda: http(namespace.place(client, container), url),
        lambda answer: answer.outcome is outcome,
        what=f"{client} to server is {outcome}",
        timeout=45,
        in_a_row=2,
    )
    who = "server" if outcome is Outcome.OK else None
    expect(answer, outcome=outcome, who=who, from_=client, to="server")


def test_strict_refuses_plaintext(namespace: Namespace) -> None:
    """STRICT: a client with a sidecar is served, one without is reset; PERMISSIVE: both."""
    namespace.apply([authentication("STRICT")])
    reach(namespace, "plain", Outcome.RESET)
    reach(namespace, "inside", Outcome.OK)
    namespace.apply([authentication("PERMISSIVE")])
    reach(namespace, "plain", Outcome.OK)
    reach(namespace, "inside", Outcome.OK)

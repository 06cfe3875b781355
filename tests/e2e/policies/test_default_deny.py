"""Default deny, and an allow by label, in Dataplane V2."""

from __future__ import annotations

from typing import Any

from tests.support.eventually import eventually
from tests.support.namespace import Namespace
from tests.support.outcomes import Outcome
from tests.support.probes import http
from tests.support.timeouts import TIMEOUTS


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A NetworkPolicy."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


DENY = policy("default-deny", {"podSelector": {}, "policyTypes": ["Ingress"]})
ALLOW = policy(
    "allow-friend",
    {
        "podSelector": {"matchLabels": {"app": "server"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
    },
)


def reach(namespace: Namespace, client: str, outcome: Outcome) -> None:
    """Wait until that is what a probe from the client to the server comes to."""
    server = namespace.pod("server")
    url = f"http://{server.ip}:8080/"
    eventually(
        lambda: http(namespace.place(client), url, timeout=TIMEOUTS.short),
        outcome=outcome,
        who=server.name if outcome is Outcome.OK else None,
        from_=client,
        to="server",
        what=f"{client} to server is {outcome}",
    )


def test_allow_by_label(namespace: Namespace) -> None:
    """All may; with default deny nobody may; with an allow the friend may, the stranger not;
    with the policies gone all may again."""
    reach(namespace, "friend", Outcome.OK)
    reach(namespace, "stranger", Outcome.OK)
    namespace.apply([DENY])
    reach(namespace, "friend", Outcome.TIMEOUT)
    reach(namespace, "stranger", Outcome.TIMEOUT)
    namespace.apply([ALLOW])
    reach(namespace, "friend", Outcome.OK)
    reach(namespace, "stranger", Outcome.TIMEOUT)
    namespace.remove("networkpolicy", "default-deny")
    namespace.remove("networkpolicy", "allow-friend")
    reach(namespace, "stranger", Outcome.OK)

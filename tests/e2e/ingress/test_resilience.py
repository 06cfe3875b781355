"""What the gateway does with a backend that fails or dawdles: retries, time-outs; and faults that
it makes by itself. The server counts what reaches it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from gkelab.wait import until
from tests.support.ingress import Ingress
from tests.support.istio import gateway as gateway_of
from tests.support.istio import plain, routes, rule, to
from tests.support.outcomes import Answer, Outcome
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS

LABEL = "server"


@pytest.fixture(scope="module", autouse=True)
def declared(ingress: Ingress) -> None:
    """The namespace's host is the gateway's."""
    ingress.namespace.apply([gateway_of("edge", plain(ingress.host(LABEL)))])


def behave(ingress: Ingress, mark: str, *rules: dict[str, Any]) -> None:
    """Make these the host's rules, and wait until the gateway has them, and the server behind them:
    it marks the answers."""
    headers = {"response": {"set": {"x-rules": mark}}}
    marked = [{**wanted, "headers": headers} for wanted in rules]
    ingress.namespace.apply([routes("server", "edge", [ingress.host(LABEL)], *marked)])
    until(
        lambda: ingress.get(LABEL),
        lambda answer: answer.who == "server" and answer.headers.get("x-rules") == (mark,),
        what=f"the gateway has the rules {mark}",
        timeout=TIMEOUTS.datapath,
        interval=0.2,
    )


def attempt(answer: Answer) -> int:
    """Which request of its key the server says this was."""
    assert answer.body is not None, answer
    return int(answer.body["attempt"])


def attempts(ingress: Ingress, key: str) -> int:
    """How many requests of that key have reached the server."""
    return attempt(expect(ingress.get(LABEL, f"/?key={key}"), who="server")) - 1


def test_retries(ingress: Ingress) -> None:
    """Two retries hide two failures of the server, and no third; without retries none is hidden.
    The server and the gateway count alike."""

    def ask(failures: int) -> Answer:
        return ingress.get(LABEL, f"/?fail={failures}&key={secrets.token_hex(8)}")

    retries = {"attempts": 2, "perTryTimeout": "2s", "retryOn": "5xx"}
    behave(ingress, "two-retries", rule(to("server"), retries=retries))
    hidden = expect(ask(2), who="server", saw=ingress.gateway.pod)
    assert attempt(hidden) == 3
    assert (hidden.body or {})["headers"]["x-envoy-attempt-count"] == "3"
    shown = expect(ask(3), outcome=Outcome.HTTP_ERROR, status=503, who="server")
    assert attempt(shown) == 3
    behave(ingress, "no-retries", rule(to("server"), retries={"attempts": 0}))
    once = expect(ask(2), outcome=Outcome.HTTP_ERROR, status=503, who="server")
    assert attempt(once) == 1


def test_only_what_is_named_is_retried(ingress: Ingress) -> None:
    """retryOn 5xx does nothing for a 429, and retryOn 429 does."""

    def ask() -> Answer:
        return ingress.get(LABEL, f"/?fail=1&status=429&key={secrets.token_hex(8)}")

    def retrying(reason: str) -> dict[str, Any]:
        return rule(to("server"), retries={"attempts": 2, "retryOn": reason})

    behave(ingress, "on-5xx", retrying("5xx"))
    refused = expect(ask(), outcome=Outcome.HTTP_ERROR, status=429, who="server")
    assert attempt(refused) == 1
    behave(ingress, "on-429", retrying("429"))
    assert attempt(expect(ask(), who="server")) == 2


def test_timeout(ingress: Ingress) -> None:
    """A server that takes longer than the route's time-out is given up with 504; with a longer
    time-out the same request is answered."""
    slow = "/?delay=1.5"
    behave(ingress, "half-a-second", rule(to("server"), timeout="0.5s"))
    late = ingress.get(LABEL, slow)
    expect(late, outcome=Outcome.HTTP_ERROR, status=504, to="a slow server")
    assert late.who is None
    assert "timeout" in late.text
    expect(ingress.get(LABEL), who="server")
    behave(ingress, "five-seconds", rule(to("server"), timeout="5s"))
    expect(ingress.get(LABEL, slow), who="server")


def test_each_try_has_its_time(ingress: Ingress) -> None:
    """perTryTimeout ends a try that dawdles, and the next one begins: the server sees them all."""
    retries = {"attempts": 2, "perTryTimeout": "0.4s", "retryOn": "5xx"}
    behave(ingress, "per-try", rule(to("server"), retries=retries, timeout="10s"))
    key = secrets.token_hex(8)
    late = ingress.get(LABEL, f"/?delay=1&key={key}")
    expect(late, outcome=Outcome.HTTP_ERROR, status=504)
    assert late.who is None
    behave(ingress, "one-try", rule(to("server")))  # the question of how many is not tried again
    assert attempts(ingress, key) == 3


def test_faults(ingress: Ingress) -> None:
    """An abort for those who ask for it: the gateway answers, and the server hears nothing."""
    asked = [{"headers": {"x-fault": {"exact": "abort"}}}]
    abort = {"abort": {"percentage": {"value": 100}, "httpStatus": 418}}
    behave(ingress, "abort", rule(to("server"), match=asked, fault=abort), rule(to("server")))
    key = secrets.token_hex(8)
    answer = ingress.get(LABEL, f"/?key={key}", headers={"x-fault": "abort"})
    expect(answer, outcome=Outcome.HTTP_ERROR, status=418)
    assert answer.who is None
    assert attempts(ingress, key) == 0
    expect(ingress.get(LABEL, headers={"x-fault": "none"}), who="server")
    behave(ingress, "no-abort", rule(to("server"), match=asked), rule(to("server")))
    expect(ingress.get(LABEL, headers={"x-fault": "abort"}), who="server")

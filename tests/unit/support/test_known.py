"""When a namespace's Services are known to lead to their pods."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import known
from tests.support.parse.errors import ParseError

ADDRESS, PODS = "10.0.16.7", ("10.0.0.5", "10.0.0.70")


def pod(address: str, *, ready: bool = True, **metadata: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {
        "kind": "Pod",
        "metadata": {"labels": {"app": "server", "more": "x"}, **metadata},
        "status": {"podIP": address, "conditions": conditions},
    }


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080}]
    own = {"selector": {"app": "server"}, "clusterIP": ADDRESS, "ports": ports, **spec}
    return {"kind": "Service", "metadata": {"name": "server"}, "spec": own}


def slice_of(*addresses: str) -> dict[str, Any]:
    return {
        "kind": "EndpointSlice",
        "metadata": {"labels": {"kubernetes.io/service-name": "server"}},
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    }


def frontend(*backends: str, state: str = "active") -> dict[str, Any]:
    there = [{"ip": a, "port": 8080, "state": state} for a in backends]
    front = {"ip": ADDRESS, "port": 80, "protocol": "TCP"}
    return {"status": {"realized": {"frontend-address": front, "backend-addresses": there}}}


def agent(*backends: str, **more: Any) -> known.Known:
    return known.parse(json.dumps([frontend(*backends, **more)]))


WHOLE = [service(), slice_of(*PODS), *map(pod, PODS)]


def test_all_is_known() -> None:
    assert known.led(WHOLE)
    assert known.late(WHOLE, {"a": agent(*PODS), "b": agent(*PODS)}) == []


@pytest.mark.parametrize(
    ("items", "agents", "told"),
    [
        (
            [service(), slice_of(PODS[0]), *map(pod, PODS)],
            {},
            ["the EndpointSlices of server lack 10.0.0.70"],
        ),
        (
            [service(), *map(pod, PODS)],
            {},
            [f"the EndpointSlices of server lack {PODS[0]}, {PODS[1]}"],
        ),
        (
            WHOLE,
            {"a": agent(*PODS), "b": agent(PODS[0]), "c": known.parse("[]")},
            ["b, c lack endpoints of server:80"],
        ),
        (WHOLE, {"a": agent(*PODS, state="terminating")}, ["a lack endpoints of server:80"]),
    ],
)
def test_what_is_not_known_is_told(
    items: list[Any], agents: dict[str, known.Known], told: list[str]
) -> None:
    assert known.late(items, agents) == told


@pytest.mark.parametrize(
    "spec",
    [
        {"clusterIP": "None"},
        {"internalTrafficPolicy": "Local"},
        {"trafficDistribution": "PreferClose"},
    ],
)
def test_of_what_is_not_the_same_everywhere_slices_alone_count(spec: dict[str, str]) -> None:
    items = [service(**spec), slice_of(*PODS), *map(pod, PODS)]
    assert known.late(items, {"a": known.parse("[]")}) == []


def test_pods_that_serve_nothing_are_not_waited_for() -> None:
    idle = [pod("10.0.0.9", ready=False), pod("10.0.0.10", deletionTimestamp="2026-01-01")]
    assert known.late([*WHOLE, *idle], {"a": agent(*PODS)}) == []
    assert not known.led([pod("10.0.0.9"), service(selector=None)])


@pytest.mark.parametrize("text", ["", '{"a": 1}', '[{"status": {}}]'])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        known.parse(text)

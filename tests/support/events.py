"""Kubernetes' events: what controllers tell about an object."""

from __future__ import annotations

from dataclasses import dataclass

from gkelab.tools.kubectl import Kubectl, Object


@dataclass(frozen=True)
class Event:
    """One event. `type` is Normal or Warning; `count` is how often it was told."""

    type: str
    reason: str
    message: str
    count: int


def events(kubectl: Kubectl, namespace: str, kind: str, name: str) -> list[Event]:
    """What was told of an object, in the order of the API's list."""
    return [
        event_of(item)
        for item in kubectl.list("events", namespace)
        if (item["involvedObject"]["kind"], item["involvedObject"]["name"]) == (kind, name)
    ]


def event_of(item: Object) -> Event:
    """An event as the API has it. Whoever tells it by the newer API (events.k8s.io) counts in a
    series, or not at all."""
    series = item.get("series") or {}
    return Event(
        type=item["type"],
        reason=item["reason"],
        message=item.get("message", ""),
        count=series.get("count") or item.get("count") or 1,
    )

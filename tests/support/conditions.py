"""Status conditions, as the Gateway API's objects have them."""

from __future__ import annotations

from typing import Any

from gkelab.tools.kubectl import Object

Conditions = dict[str, tuple[str, str]]


def conditions(status: Any) -> Conditions:
    """Status and reason of each condition of a status, by the condition's type."""
    listed = (status or {}).get("conditions") or []
    return {item["type"]: (item["status"], item.get("reason", "")) for item in listed}


def of(item: Object | None) -> Conditions:
    """The conditions of an object; none where there is no object, or nothing was said of it."""
    return conditions((item or {}).get("status"))


def of_route(item: Object | None) -> Conditions:
    """The conditions of a route at its only parent; none before a parent has spoken."""
    parents = ((item or {}).get("status") or {}).get("parents") or []
    return conditions(parents[0]) if len(parents) == 1 else {}

"""From a firewall's JSON to a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from gkelab.cloud.router.fabric import Rule, Service

Body = Mapping[str, Any]
PROTOCOLS = {"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "sctp": 132}


def last(link: str) -> str:
    """The name at the end of a link."""
    return link.rpartition("/")[2]


def rule(body: Body) -> Iterator[Rule]:
    """The rule, if it is enabled. KeyError, TypeError or ValueError for what is none."""
    if body.get("disabled"):
        return
    direction, denied = body["direction"], body.get("denied")
    if direction not in ("INGRESS", "EGRESS"):
        raise ValueError(f"its direction is {direction}")
    log = body.get("logConfig", {})
    ranges = {
        field: tuple(IPv4Network(text) for text in body.get(field, ()))
        for field in ("sourceRanges", "destinationRanges")
    }
    yield Rule(
        name=body["name"],
        network=last(body["network"]),
        direction=direction,
        priority=int(body["priority"]),
        deny=bool(denied),
        services=tuple(_service(item) for item in denied or body["allowed"]),
        sources=ranges["sourceRanges"],
        destinations=ranges["destinationRanges"],
        source_tags=frozenset(body.get("sourceTags", ())),
        target_tags=frozenset(body.get("targetTags", ())),
        logging=log.get("enable") is True,
        metadata=log.get("metadata") != "EXCLUDE_ALL_METADATA",
    )


def _service(item: Body) -> Service:
    name = item["IPProtocol"].lower()
    number = None if name == "all" else PROTOCOLS[name] if name in PROTOCOLS else int(name)
    if number is not None and not 0 <= number <= 255:
        raise ValueError(f"{name} is no protocol")
    return Service(number, tuple(_port(text) for text in item.get("ports", ())))


def _port(text: str) -> tuple[int, int]:
    first, dash, second = text.partition("-")
    low, high = int(first), int(second if dash else first)
    if not 0 <= low <= high <= 65535:
        raise ValueError(f"{text} is no port")
    return low, high

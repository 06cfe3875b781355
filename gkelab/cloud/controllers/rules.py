"""Firewall rules that should be against those that are; what is somebody else's stays so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from gkelab.cloud.controllers.cluster import Body

PRIORITY = 1000
EVERYWHERE = "0.0.0.0/0"
# Whose a rule is, in the JSON that GKE writes as its description: a Service's in either of its two
# forms, or a GCPFirewall's.
TARGET_POOL = "kubernetes.io/service-name"
BACKEND_SERVICE = "networking.gke.io/service-name"
GCPFIREWALL = "networking.gke.io/gcpfirewall-name"
# What of a rule is compared, with what it is if nothing is said.
_COMPARED: Mapping[str, Any] = {
    "description": "",
    "direction": "INGRESS",
    "priority": PRIORITY,
    "disabled": False,
    "allowed": [],
    "denied": [],
    "sourceRanges": [],
    "destinationRanges": [],
    "sourceTags": [],
    "targetTags": [],
}
# A person may have the packets of GKE's rules logged; its controllers leave that alone.
_LEFT = ("logConfig",)


@dataclass(frozen=True)
class Changes:
    """What to write: whole rules to insert and to update, names to delete. `refused` are names of
    wanted rules that somebody else's rule has."""

    insert: tuple[Body, ...] = ()
    update: tuple[Body, ...] = ()
    delete: tuple[str, ...] = ()
    refused: tuple[str, ...] = field(default=())


def owner(rule: Body) -> tuple[str, str] | None:
    """Which sort of object a rule was made for, and the object's name; None if the rule does not
    say: it is not a controller's."""
    try:
        told = json.loads(rule.get("description", ""))
    except ValueError:
        return None
    if isinstance(told, dict):
        for key in (TARGET_POOL, BACKEND_SERVICE, GCPFIREWALL):
            if isinstance(told.get(key), str):
                return key, told[key]
    return None


def diff(
    wanted: Sequence[Body], current: Iterable[Body], is_ours: Callable[[Body], bool]
) -> Changes:
    """What makes the rules that are those that should be. `is_ours` says of a rule with an owner
    whether it is of the sort that these controllers make for this cluster: those that are not
    wanted go."""
    there = {rule["name"]: rule for rule in current}
    insert, update, refused = [], [], []
    for rule in wanted:
        old = there.get(rule["name"])
        if old is None:
            insert.append(rule)
        elif owner(old) != owner(rule):
            refused.append(rule["name"])
        elif not same(rule, old):
            update.append({**rule, **{key: old[key] for key in _LEFT if key in old}})
    names = {rule["name"] for rule in wanted}
    gone = [n for n, rule in there.items() if n not in names and owner(rule) and is_ours(rule)]
    return Changes(tuple(insert), tuple(update), tuple(sorted(gone)), tuple(refused))


def same(wanted: Body, current: Body) -> bool:
    """Whether a rule is as it should be; the order of ranges, tags and protocols does not count."""
    if not str(current.get("network", "")).endswith(f"/{wanted['network']}"):
        return False
    return all(
        _plain(wanted.get(key, usual)) == _plain(current.get(key, usual))
        for key, usual in _COMPARED.items()
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(json.dumps(item, sort_keys=True) for item in value)
    return value


def port_ranges(ports: Iterable[int]) -> list[str]:
    """Ports as a rule has them, neighbours joined (80, 81, 443 is 80-81, 443), as GKE does: a
    rule takes a hundred."""
    runs: list[list[int]] = []
    for port in sorted(set(ports)):
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return [str(a) if a == b else f"{a}-{b}" for a, b in runs]


def network(text: str) -> IPv4Network:
    """A range or an address; bits of a host are cut off. ValueError unless it is one of IPv4."""
    return IPv4Network(text.strip(), strict=False)

"""Firewall rules of a VPC: which connections instances take and make."""

from __future__ import annotations

import re

from gkelab.cloud.api import errors, ranges
from gkelab.cloud.api.fields import Body, ListOf, message
from gkelab.cloud.api.kinds import permissions
from gkelab.cloud.api.kinds.base import Kind, check_name, linked
from gkelab.cloud.api.links import GLOBAL, Ref
from gkelab.cloud.api.store import Write

LOWEST_PRIORITY = 65535
USUAL_PRIORITY = 1000
EVERYWHERE = "0.0.0.0/0"
PROTOCOLS = ("tcp", "udp", "icmp", "esp", "ah", "sctp", "ipip", "all")
# Those with ports, also by their numbers.
WITH_PORTS = ("tcp", "udp", "sctp", "6", "17", "132")
MOST_TAGS = {"sourceTags": 30, "targetTags": 70}
RULE = message(strings="IPProtocol", lists="ports")
LOG = message(strings="metadata", bools="enable")
MESSAGE = message(
    strings="name description network direction",
    ints="priority",
    bools="disabled",
    lists="sourceRanges destinationRanges sourceTags targetTags",
    output="params",
    absent="sourceServiceAccounts targetServiceAccounts",
    allowed=ListOf(RULE),
    denied=ListOf(RULE),
    logConfig=LOG,
)


def _create(write: Write, ref: Ref, wanted: Body) -> Body:
    given = wanted.get("network", "global/networks/default")
    _, network = linked(write, "resource.network", given, "networks")
    body: Body = {
        "description": "",
        "priority": USUAL_PRIORITY,
        "direction": "INGRESS",
        "disabled": False,
        **wanted,
        "network": network["selfLink"],
    }
    sides = {"INGRESS": ("sourceRanges", "sourceTags"), "EGRESS": ("destinationRanges",)}
    if body["direction"] not in sides:
        raise errors.invalid(
            "resource.direction", body["direction"], "Must be one of [INGRESS, EGRESS]."
        )
    side = sides[body["direction"]]
    if not any(body.get(field) for field in side):
        body[side[0]] = [EVERYWHERE]
    return _checked(body)


def _change(write: Write, ref: Ref, old: Body, wanted: Body) -> Body:
    given: str = wanted.get("network") or old["network"]
    network = linked(write, "resource.network", given, "networks")[1]["selfLink"]
    for field, value in (("network", network), ("direction", wanted.get("direction"))):
        if value not in (None, old[field]):
            raise errors.invalid(f"resource.{field}", wanted[field], "It cannot be changed.")
    return _create(write, ref, {**wanted, "direction": old["direction"], "network": old["network"]})


def _checked(body: Body) -> Body:
    if not 0 <= body["priority"] <= LOWEST_PRIORITY:
        raise errors.invalid(
            "resource.priority",
            body["priority"],
            f"Must be greater than or equal to 0 and less than or equal to {LOWEST_PRIORITY}.",
        )
    allowed, denied = body.get("allowed"), body.get("denied")
    if allowed and denied:
        raise errors.bad_request("Should not specify both allowed and denied.")
    if not allowed and not denied:
        raise errors.bad_request("Exactly one of allowed or denied must be specified.")
    if body["direction"] == "EGRESS" and body.get("sourceTags"):
        raise errors.bad_request(
            "Should not specify source tag or service account for egress direction."
        )
    for field in ("sourceRanges", "destinationRanges"):
        for index, value in enumerate(body.get(field, ())):
            ranges.network_of(value, f"resource.{field}[{index}]")
    for field, most in MOST_TAGS.items():
        tags = body.get(field, [])
        if len(tags) > most:
            raise errors.invalid(f"resource.{field}", tags, f"At most {most} tags are possible.")
        for index, tag in enumerate(tags):
            check_name(tag, f"resource.{field}[{index}]")
    rules = {
        field: [_rule(rule, f"resource.{field}[{i}]") for i, rule in enumerate(body[field])]
        for field in ("allowed", "denied")
        if body.get(field)
    }
    kept = {key: value for key, value in body.items() if value != [] and key not in MESSAGE.output}
    return {**kept, **rules, "logConfig": _log(body.get("logConfig", {}))}


def _rule(rule: Body, path: str) -> Body:
    if "IPProtocol" not in rule:
        raise errors.required(f"{path}.IPProtocol")
    protocol = rule["IPProtocol"].lower()
    number = re.fullmatch(r"[0-9]{1,3}", protocol) and int(protocol) <= 255
    if protocol not in PROTOCOLS and not number:
        raise errors.invalid(
            f"{path}.IPProtocol",
            rule["IPProtocol"],
            f"Must be one of {', '.join(PROTOCOLS)} or a protocol number.",
        )
    ports = rule.get("ports", [])
    if ports and protocol not in WITH_PORTS:
        raise errors.invalid(
            f"{path}.ports", ports, "Ports can be specified for tcp, udp and sctp alone."
        )
    for index, port in enumerate(ports):
        _check_port(port, f"{path}.ports[{index}]")
    return {"IPProtocol": protocol, **({"ports": ports} if ports else {})}


def _check_port(value: str, path: str) -> None:
    first, dash, second = value.partition("-")
    numbers = [first, second] if dash else [first]
    good = all(re.fullmatch(r"[0-9]{1,5}", n) and int(n) <= 65535 for n in numbers)
    if not good or int(numbers[0]) > int(numbers[-1]):
        raise errors.invalid(
            path, value, "Must be a port (0 to 65535) or a range of ports, as 8000-8080."
        )


def _log(given: Body) -> Body:
    enable = given.get("enable", False)
    metadata = given.get("metadata")
    if metadata not in (None, "INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA"):
        raise errors.invalid("resource.logConfig.metadata", metadata)
    if not enable:
        return {"enable": False}
    return {"enable": True, "metadata": metadata or "INCLUDE_ALL_METADATA"}


def rank(rule: Body) -> tuple[int, bool, str]:
    """Which rule decides first: the lowest number, of the same number those that deny."""
    return rule["priority"], "denied" not in rule, rule["name"]


def _remove(write: Write, ref: Ref, body: Body) -> None:
    """Nothing depends on a rule."""


KIND = Kind(
    collection="firewalls",
    noun="firewall",
    scopes=(GLOBAL,),
    message=MESSAGE,
    create=_create,
    change=_change,
    remove=_remove,
    patches=frozenset(MESSAGE.fields) - {"name"},
    updates=True,
    questions=permissions.TEST,
)

"""GCPFirewall objects as firewall rules, and what is told in their status.

Source: gke-networking-api (apis/gcpfirewall/v1/types.go), whose comments say what each field
means: a rule is for all nodes and pods of the cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from gkelab.cloud.controllers import names, rules
from gkelab.cloud.controllers.cluster import Body, Cluster

CONDITION = "Enforced"
_WITH_PORTS = ("TCP", "UDP", "SCTP")
_PROTOCOLS = (*_WITH_PORTS, "ICMP", "AH", "ESP")
_HIGHEST_PORT = 65535
Reason = Literal["Pending", "Invalid", "SyncError", "Synchronized"]


@dataclass(frozen=True)
class Outcome:
    """What became of a GCPFirewall: the reason of its condition, and a sentence. `rule` is the
    rule's name, "" if it has none."""

    reason: Reason
    message: str
    rule: str = ""


@dataclass(frozen=True)
class Rules:
    """Rules that should be, and what is said of each object by its name: of one that has a rule,
    what to say when the rule is as it should be."""

    wanted: tuple[Body, ...]
    outcomes: Mapping[str, Outcome]


def gcpfirewall_rules(objects: Iterable[Body], cluster: Cluster, network: str) -> Rules:
    """The rules of a cluster's GCPFirewalls. One that is not enforced (it is disabled, or cannot
    be a rule) has none, whatever it had before: its status and the network say the same."""
    wanted: list[Body] = []
    outcomes: dict[str, Outcome] = {}
    for thing in sorted(objects, key=lambda thing: str(thing["metadata"]["name"])):
        name, spec = thing["metadata"]["name"], thing.get("spec") or {}
        if "deletionTimestamp" in thing["metadata"]:
            continue
        if spec.get("disabled"):
            outcomes[name] = Outcome("Pending", "The GCPFirewall is disabled and is not synced.")
            continue
        try:
            rule = _rule(name, spec, cluster, network)
        except ValueError as error:
            outcomes[name] = Outcome("Invalid", f"{error}.")
            continue
        wanted.append(rule)
        outcomes[name] = Outcome("Synchronized", "The firewall rule is enforced.", rule["name"])
    return Rules(tuple(wanted), outcomes)


def is_ours(cluster: Cluster) -> Callable[[Body], bool]:
    """Whether a rule is one of this cluster's GCPFirewalls: its name says so if there is room."""
    prefix = f"{cluster.prefix}-pfw-"

    def check(rule: Body) -> bool:
        sort = (rules.owner(rule) or ("", ""))[0]
        tagged = rule.get("targetTags") == [cluster.tag]
        return sort == rules.GCPFIREWALL and (tagged or rule["name"].startswith(prefix))

    return check


def status(thing: Body, outcome: Outcome, project: str, now: str) -> Body | None:
    """The status that an object should have (to be patched in); None if it has it. `now` is the
    moment (RFC 3339) of a condition that changes."""
    old = thing.get("status") or {}
    conditions = old.get("conditions") or []
    before: Body = next((c for c in conditions if c.get("type") == CONDITION), {})
    synced = outcome.reason == "Synchronized"
    value = "True" if synced else "False"
    since = before.get("lastTransitionTime", now) if before.get("status") == value else now
    condition = {
        "type": CONDITION,
        "status": value,
        "reason": outcome.reason,
        "message": outcome.message,
        "observedGeneration": thing["metadata"].get("generation", 0),
        "lastTransitionTime": since,
    }
    link = f"https://www.googleapis.com/compute/v1/projects/{project}/global/firewalls/"
    new = {
        "type": "VPC",
        "resourceURL": link + outcome.rule if synced else "",
        "priority": rules.PRIORITY,
        "conditions": [*(c for c in conditions if c.get("type") != CONDITION), condition],
    }
    return None if new == old else new


def _rule(name: str, spec: Body, cluster: Cluster, network: str) -> Body:
    """The rule of an object. ValueError if it cannot be one."""
    if spec.get("action", "ALLOW") != "ALLOW":
        raise ValueError(f"action {spec['action']} is not supported, only ALLOW")
    ingress = spec.get("ingress") or {}
    sources = _ranges(ingress, "source")
    destinations = _ranges(ingress, "destination")
    return {
        "name": names.gcpfirewall_rule(cluster.prefix, name),
        "description": json.dumps({rules.GCPFIREWALL: name}, separators=(",", ":")),
        "network": f"global/networks/{network}",
        "direction": "INGRESS",
        "priority": rules.PRIORITY,
        "sourceRanges": sources or [rules.EVERYWHERE],
        **({"destinationRanges": destinations} if destinations else {}),
        "targetTags": [cluster.tag],
        "allowed": _allowed(spec.get("ports") or []),
    }


def _ranges(ingress: Body, side: str) -> list[str]:
    blocks = (ingress.get(side) or {}).get("ipBlocks") or []
    found = set()
    for index, block in enumerate(blocks):
        try:
            found.add(rules.network(str(block)))
        except ValueError:
            field = f"ingress.{side}.ipBlocks[{index}]"
            raise ValueError(f"{field}: {block!r} is no range of IPv4") from None
    return [str(network) for network in sorted(found)]


def _allowed(ports: list[Body]) -> list[Body]:
    """Protocols and ports; everything if nothing is said. An endPort without a smaller or equal
    startPort is ignored, and a protocol once without a port is meant with all."""
    if not ports:
        return [{"IPProtocol": "all"}]
    found: dict[str, list[str] | None] = {}
    for index, port in enumerate(ports):
        protocol, start = port.get("protocol"), port.get("startPort")
        if protocol not in _PROTOCOLS:
            raise ValueError(
                f"ports[{index}].protocol: {protocol!r} is none of {', '.join(_PROTOCOLS)}"
            )
        if start is not None and protocol not in _WITH_PORTS:
            raise ValueError(
                f"ports[{index}].startPort: {protocol} has no ports; {', '.join(_WITH_PORTS)} have"
            )
        if start is None:
            found[protocol] = None
            continue
        end = port.get("endPort") or start
        for key, value in (("startPort", start), ("endPort", end)):
            if not isinstance(value, int) or not 1 <= value <= _HIGHEST_PORT:
                raise ValueError(f"ports[{index}].{key}: {value!r} is no port")
        text = f"{start}-{end}" if end > start else str(start)
        so_far = found.setdefault(protocol, [])
        if so_far is not None and text not in so_far:
            so_far.append(text)
    return [
        {"IPProtocol": protocol.lower(), **({"ports": texts} if texts else {})}
        for protocol, texts in found.items()
    ]

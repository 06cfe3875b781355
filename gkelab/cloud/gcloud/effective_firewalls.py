"""gcloud's get-effective-firewalls: the rules that a network or an interface is under."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import text
from gkelab.cloud.gcloud.instance_create import INSTANCES
from gkelab.cloud.gcloud.listing import CHOOSING, chosen
from gkelab.cloud.gcloud.session import Answer, Session
from gkelab.cloud.gcloud.usual import NAME, Command, filled, places
from gkelab.cloud.gcloud.vpc import NETWORKS
from gkelab.errors import LabError

_TABLE = (
    "table(type,firewall_policy_name,priority,action,direction,disabled,"
    "ip_ranges.list():label=IP_RANGES)"
)


def _of_network(session: Session, args: argparse.Namespace) -> Answer:
    said = {"network": args.name}
    found = session.cloud.call("get_effective_firewalls", NETWORKS.collection, "global", said)
    return _answer(session, args, found)


def _of_interface(session: Session, args: argparse.Namespace) -> Answer:
    scope, current = session.current(INSTANCES, args)
    names = [nic["name"] for nic in current["networkInterfaces"]]
    if args.network_interface not in names:
        raise LabError(
            f"Instance does not have a network interface [{args.network_interface}], present"
            f" interfaces are [{', '.join(names)}]"
        )
    said = {"instance": args.name, "networkInterface": args.network_interface}
    found = session.cloud.call("get_effective_firewalls", INSTANCES.collection, scope, said)
    return _answer(session, args, found)


def _answer(session: Session, args: argparse.Namespace, found: Body) -> Answer:
    """The rules a line each, in gcloud's own fields; as the cloud tells them for --format=json."""
    session.tell("\nTo show all fields of the firewall, please show in JSON format: --format=json")
    if args.format == "json":
        return Answer(found)
    rules = [_row(rule) for rule in _ordered(found.get("firewalls", []))]
    return Answer(chosen(rules, args), _TABLE, listed=True)


def _ordered(rules: Sequence[Body]) -> list[Body]:
    """Those for what comes in, then those for what goes out, each as the cloud has them: the
    first decides first."""
    return sorted(rules, key=lambda rule: rule["direction"] != "INGRESS")


def _row(rule: Body) -> Body:
    return {
        "type": "network-firewall",
        "name": rule["name"],
        "priority": rule["priority"],
        "direction": rule["direction"],
        "action": "ALLOW" if rule.get("allowed") else "DENY",
        "disabled": rule.get("disabled", False),
        **filled(
            description=rule.get("description"),
            ip_ranges=rule.get("sourceRanges") or rule.get("destinationRanges"),
            src_tags=rule.get("sourceTags"),
            target_tags=rule.get("targetTags"),
        ),
    }


COMMANDS = [
    Command(
        "networks get-effective-firewalls",
        "show the firewall rules of a network",
        _of_network,
        (NAME, *CHOOSING),
    ),
    Command(
        "instances network-interfaces get-effective-firewalls",
        "show the firewall rules that an interface is under",
        _of_interface,
        (
            NAME,
            *places(INSTANCES),
            text("--network-interface", "the interface", default="nic0"),
            *CHOOSING,
        ),
    ),
]

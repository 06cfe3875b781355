"""gcloud's commands for firewall rules."""

from __future__ import annotations

import argparse

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import choice, listed, number, reading, rules, switch, text
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import NAME, Command, filled, insert, network_link, update, usual
from gkelab.errors import LabError

FIREWALLS = Group(
    "firewall-rules",
    "firewalls",
    ("global",),
    "table(name,network.basename(),direction,priority,"
    "allowed[].map().firewall_rule().list():label=ALLOW,"
    "denied[].map().firewall_rule().list():label=DENY,disabled)",
)


def _firewall(args: argparse.Namespace) -> Body:
    """What the flags of create and of update say of a rule."""
    said = {
        "sourceRanges": args.source_ranges,
        "destinationRanges": args.destination_ranges,
        "sourceTags": args.source_tags,
        "targetTags": args.target_tags,
        "priority": args.priority,
        "description": args.description,
        "disabled": args.disabled,
    }
    body = {key: value for key, value in said.items() if value is not None}
    metadata = args.logging_metadata
    log = filled(
        enable=args.enable_logging,
        metadata=metadata and f"{metadata.split('-')[0]}_ALL_METADATA".upper(),
    )
    return {**body, **({"logConfig": log} if log or args.enable_logging is False else {})}


def _create_firewall(session: Session, args: argparse.Namespace) -> Answer:
    if (args.allow is None) == (args.action is None):
        raise LabError("Must specify --allow or --action (with --rules), one of them")
    if (args.rules is None) != (args.action is None):
        raise LabError("Must specify --rules with --action")
    side = "denied" if args.action == "deny" else "allowed"
    direction = args.direction or "ingress"
    body = {
        "name": args.name,
        "network": network_link(args.network),
        "direction": {"in": "INGRESS", "out": "EGRESS"}.get(direction, direction.upper()),
        side: args.rules if args.allow is None else args.allow,
        **_firewall(args),
    }
    return Answer([insert(session, FIREWALLS, "global", body)], FIREWALLS.table)


def _update_firewall(session: Session, args: argparse.Namespace) -> Answer:
    _, current = session.current(FIREWALLS, args)
    side = "denied" if "denied" in current else "allowed"
    if args.allow is not None and side == "denied":
        raise LabError(f"Can not specify --allow: rule {args.name} denies; use --rules")
    changed = args.rules if args.allow is None else args.allow
    body = {**_firewall(args), **({side: changed} if changed is not None else {})}
    whole = {**current, **body}
    if body == {}:
        raise LabError("At least one property must be modified")
    # A list that becomes empty cannot be told in a patch by Google's client.
    said = {"firewall": args.name, "firewallResource": whole}
    return update(session, "update", FIREWALLS, "global", said)


_RULE = (
    listed("--source-ranges", "networks that it is for"),
    listed("--destination-ranges", "networks that it is for"),
    listed("--source-tags", "tags of instances that it is for"),
    listed("--target-tags", "tags of instances that it is for"),
    number("--priority", "the lowest number decides first"),
    switch("--disabled"),
    switch("--enable-logging"),
    choice("--logging-metadata", "include-all", "exclude-all"),
    reading("--rules", rules, "PROTOCOL[:PORT[-PORT]],...", metavar="RULES"),
    reading("--allow", rules, "PROTOCOL[:PORT[-PORT]],...", metavar="RULES"),
    text("--description", "what it is for"),
)

COMMANDS = [
    *usual(FIREWALLS, "list", "describe", "delete"),
    Command(
        "firewall-rules create",
        "make a firewall rule",
        _create_firewall,
        (
            NAME,
            text("--network", "the network", default="default"),
            choice("--action", "allow", "deny"),
            choice("--direction", "ingress", "egress", "in", "out"),
            *_RULE,
        ),
    ),
    Command("firewall-rules update", "change a firewall rule", _update_firewall, (NAME, *_RULE)),
]

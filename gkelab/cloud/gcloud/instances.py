"""gcloud's commands for instances."""

from __future__ import annotations

import argparse
from typing import Any

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import listed, mapping, merged, once, switch, text
from gkelab.cloud.gcloud.instance_body import ALIASES, as_items
from gkelab.cloud.gcloud.instance_create import CREATE, INSTANCES
from gkelab.cloud.gcloud.session import Answer, Session
from gkelab.cloud.gcloud.usual import ASYNC, NAME, NAMES, Command, filled, places, update, usual
from gkelab.errors import LabError


def _power(method: str) -> Any:
    def run(session: Session, args: argparse.Namespace) -> Answer:
        begun: list[Body] = []
        for name in args.names:
            scope = session.scope(INSTANCES, args, name)
            begun += update(session, method, INSTANCES, scope, {"instance": name}).resources
        return Answer(begun)

    return run


def _tags(session: Session, args: argparse.Namespace) -> Answer:
    """add-tags and remove-tags."""
    scope, current = session.current(INSTANCES, args)
    had = current["tags"].get("items", [])
    if args.adding:
        items = [*had, *(tag for tag in args.tags if tag not in had)]
    elif args.all:
        items = []
    else:
        items = [tag for tag in had if tag not in (args.tags or ())]
    tags = {"items": items, "fingerprint": current["tags"]["fingerprint"]}
    said = {"instance": args.name, "tagsResource": tags}
    return update(session, "set_tags", INSTANCES, scope, said)


def _labels(session: Session, args: argparse.Namespace) -> Answer:
    """add-labels and remove-labels, and what update has of them."""
    scope, current = session.current(INSTANCES, args)
    gone = getattr(args, "remove_labels", None) or []
    kept = {} if getattr(args, "all", False) else dict(current.get("labels", {}))
    labels = {key: value for key, value in kept.items() if key not in gone}
    labels |= merged(getattr(args, "update_labels", None))
    said = {"labels": labels, "labelFingerprint": current["labelFingerprint"]}
    fields = {"instance": args.name, "instancesSetLabelsRequestResource": said}
    return update(session, "set_labels", INSTANCES, scope, fields)


def _update(session: Session, args: argparse.Namespace) -> Answer:
    protected = args.deletion_protection
    if not args.update_labels and not args.remove_labels and protected is None:
        raise LabError("At least one property must be modified")
    if args.update_labels or args.remove_labels:
        _labels(session, args)
    if protected is not None:
        scope = session.scope(INSTANCES, args, args.name)
        said = {"resource": args.name, "deletionProtection": protected}
        update(session, "set_deletion_protection", INSTANCES, scope, said)
    return Answer()


def _metadata(session: Session, args: argparse.Namespace) -> Answer:
    """add-metadata and remove-metadata."""
    scope, current = session.current(INSTANCES, args)
    had = {item["key"]: item.get("value", "") for item in current["metadata"].get("items", [])}
    gone = getattr(args, "keys", None) or []
    kept = {} if getattr(args, "all", False) else {k: v for k, v in had.items() if k not in gone}
    items = as_items(kept | merged(getattr(args, "metadata", None)))
    said = {"items": items, "fingerprint": current["metadata"]["fingerprint"]}
    fields = {"instance": args.name, "metadataResource": said}
    return update(session, "set_metadata", INSTANCES, scope, fields)


def _update_interface(session: Session, args: argparse.Namespace) -> Answer:
    scope, current = session.current(INSTANCES, args)
    nics = {nic["name"]: nic for nic in current["networkInterfaces"]}
    if args.network_interface not in nics:
        raise LabError(f"The specified network interface '{args.network_interface}' does not exist")
    if args.aliases is None:
        raise LabError("Must specify --aliases, which is all that changes here")
    nic = {
        "aliasIpRanges": args.aliases,
        "fingerprint": nics[args.network_interface]["fingerprint"],
    }
    said = {
        "instance": args.name,
        "networkInterface": args.network_interface,
        "networkInterfaceResource": nic,
    }
    return update(session, "update_network_interface", INSTANCES, scope, said)


def _add_access(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.scope(INSTANCES, args, args.name)
    said = {
        "instance": args.name,
        "networkInterface": args.network_interface,
        "accessConfigResource": filled(name=args.access_config_name, natIP=args.address),
    }
    return update(session, "add_access_config", INSTANCES, scope, said)


def _delete_access(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.scope(INSTANCES, args, args.name)
    said = {
        "instance": args.name,
        "networkInterface": args.network_interface,
        "accessConfig": args.access_config_name,
    }
    return update(session, "delete_access_config", INSTANCES, scope, said)


_NIC = text("--network-interface", "the interface", default="nic0")
_ACCESS = text("--access-config-name", "its name", default="external-nat")
_ZONE = places(INSTANCES)

COMMANDS = [
    *usual(INSTANCES, "list", "describe", "delete"),
    CREATE,
    *(
        Command(f"instances {verb}", f"{verb} instances", _power(verb), (NAMES, *_ZONE, ASYNC))
        for verb in ("start", "stop", "suspend", "resume")
    ),
    Command("instances reset", "reset instances", _power("reset"), (NAMES, *_ZONE)),
    Command(
        "instances add-tags", "add tags", _tags, (NAME, *_ZONE, listed("--tags", required=True))
    ),
    Command(
        "instances remove-tags",
        "remove tags",
        _tags,
        (NAME, *_ZONE, listed("--tags"), once("--all")),
    ),
    Command(
        "instances add-labels",
        "add labels",
        _labels,
        (NAME, *_ZONE, mapping("--labels", dest="update_labels", required=True)),
    ),
    Command(
        "instances remove-labels",
        "remove labels",
        _labels,
        (NAME, *_ZONE, listed("--labels", dest="remove_labels"), once("--all")),
    ),
    Command(
        "instances update",
        "change labels, or protect from deletion",
        _update,
        (
            NAME,
            *_ZONE,
            mapping("--update-labels"),
            listed("--remove-labels"),
            switch("--deletion-protection"),
        ),
    ),
    Command(
        "instances add-metadata",
        "add metadata",
        _metadata,
        (NAME, *_ZONE, mapping("--metadata", required=True)),
    ),
    Command(
        "instances remove-metadata",
        "remove metadata",
        _metadata,
        (NAME, *_ZONE, listed("--keys"), once("--all")),
    ),
    Command(
        "instances network-interfaces update",
        "change an interface's alias ranges",
        _update_interface,
        (NAME, *_ZONE, _NIC, ALIASES),
    ),
    Command(
        "instances add-access-config",
        "give an interface an external address",
        _add_access,
        (NAME, *_ZONE, _NIC, _ACCESS, text("--address")),
    ),
    Command(
        "instances delete-access-config",
        "take an interface's external address away",
        _delete_access,
        (NAME, *_ZONE, _NIC, _ACCESS),
    ),
]

"""gcloud's commands for instances."""

from __future__ import annotations

import argparse
from typing import Any

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import (
    aliases,
    listed,
    mapping,
    merged,
    once,
    reading,
    switch,
    text,
)
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import (
    NAME,
    NAMES,
    Command,
    filled,
    insert,
    network_link,
    places,
    update,
    usual,
)
from gkelab.errors import LabError

INSTANCES = Group(
    "instances",
    "instances",
    ("zones",),
    "table(name,zone.basename(),machineType.basename():label=MACHINE_TYPE,"
    "scheduling.preemptible.yesno(yes=true,no=''):label=PREEMPTIBLE,"
    "networkInterfaces[].networkIP.list():label=INTERNAL_IP,"
    "networkInterfaces[].accessConfigs[0].natIP.list():label=EXTERNAL_IP,status)",
)
USUAL_MACHINE = "n1-standard-1"


def _create(session: Session, args: argparse.Namespace) -> Answer:
    made = []
    for name in args.names:
        scope = session.new_scope(INSTANCES, args, name)
        zone = scope.partition("/")[2]
        body = filled(
            name=name,
            machineType=f"zones/{zone}/machineTypes/{args.machine_type}",
            description=args.description,
            canIpForward=args.can_ip_forward,
            deletionProtection=args.deletion_protection,
            hostname=args.hostname,
            tags=filled(items=args.tags),
            labels=merged(args.labels),
            metadata=filled(items=_items(merged(args.metadata))),
        )
        body["networkInterfaces"] = [_interface(args, zone.rpartition("-")[0])]
        made.append(insert(session, INSTANCES, scope, body))
    return Answer(made, INSTANCES.table)


def _interface(args: argparse.Namespace, region: str) -> Body:
    network, subnet = args.network, args.subnet
    nic = filled(
        network=network and network_link(network),
        subnetwork=subnet
        and (subnet if "/" in subnet else f"regions/{region}/subnetworks/{subnet}"),
        networkIP=args.private_network_ip,
        aliasIpRanges=args.aliases,
    )
    if not args.no_address:
        nic["accessConfigs"] = [filled(name="external-nat", natIP=args.address)]
    return nic or {"network": "global/networks/default"}


def _items(given: dict[str, str]) -> list[Body]:
    return [{"key": key, "value": value} for key, value in given.items()]


def _power(method: str) -> Any:
    def run(session: Session, args: argparse.Namespace) -> Answer:
        for name in args.names:
            scope = session.scope(INSTANCES, args, name)
            update(session, method, INSTANCES, scope, {"instance": name})
        return Answer()

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
    """add-labels, remove-labels and update."""
    scope, current = session.current(INSTANCES, args)
    gone = getattr(args, "remove_labels", None) or []
    kept = {} if getattr(args, "all", False) else dict(current.get("labels", {}))
    labels = {key: value for key, value in kept.items() if key not in gone}
    labels |= merged(getattr(args, "update_labels", None))
    said = {"labels": labels, "labelFingerprint": current["labelFingerprint"]}
    fields = {"instance": args.name, "instancesSetLabelsRequestResource": said}
    return update(session, "set_labels", INSTANCES, scope, fields)


def _metadata(session: Session, args: argparse.Namespace) -> Answer:
    """add-metadata and remove-metadata."""
    scope, current = session.current(INSTANCES, args)
    had = {item["key"]: item.get("value", "") for item in current["metadata"].get("items", [])}
    gone = getattr(args, "keys", None) or []
    kept = {} if getattr(args, "all", False) else {k: v for k, v in had.items() if k not in gone}
    items = _items(kept | merged(getattr(args, "metadata", None)))
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


_DESCRIPTION = text("--description", "what it is for")
_NIC = text("--network-interface", "the interface", default="nic0")
_ACCESS = text("--access-config-name", "its name", default="external-nat")
_ALIASES = reading("--aliases", aliases, "[RANGE_NAME:]RANGE;...", metavar="ALIASES")
_ZONE = places(INSTANCES)

COMMANDS = [
    *usual(INSTANCES, "list", "describe", "delete"),
    Command(
        "instances create",
        "make instances",
        _create,
        (
            NAMES,
            *_ZONE,
            text("--machine-type", default=USUAL_MACHINE),
            text("--network"),
            text("--subnet"),
            text("--private-network-ip"),
            _ALIASES,
            once("--can-ip-forward"),
            listed("--tags"),
            mapping("--labels"),
            mapping("--metadata"),
            once("--no-address"),
            text("--address"),
            switch("--deletion-protection"),
            text("--hostname"),
            _DESCRIPTION,
        ),
    ),
    *(
        Command(f"instances {verb}", f"{verb} instances", _power(verb), (NAMES, *_ZONE))
        for verb in ("start", "stop", "reset")
    ),
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
        "change labels",
        _labels,
        (NAME, *_ZONE, mapping("--update-labels"), listed("--remove-labels")),
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
        (NAME, *_ZONE, _NIC, _ALIASES),
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

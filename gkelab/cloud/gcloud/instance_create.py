"""gcloud's `instances create`: flags in, an instance's body out."""

from __future__ import annotations

import argparse

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import (
    aliases,
    interface,
    listed,
    mapping,
    merged,
    once,
    reading,
    switch,
    text,
)
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import NAMES, Command, filled, insert, network_link, places
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
            metadata=filled(items=as_items(merged(args.metadata))),
            disks=_disks(args),
        )
        given = _interfaces(args)
        body["networkInterfaces"] = [_interface(one, zone.rpartition("-")[0]) for one in given]
        made.append(insert(session, INSTANCES, scope, body))
    return Answer(made, INSTANCES.table)


def _interfaces(args: argparse.Namespace) -> list[argparse.Namespace]:
    """The interfaces that are asked for: one by its own flags, or each by --network-interface."""
    if not args.network_interface:
        return [args]
    for name in ("network", "subnet", "private_network_ip", "aliases", "no_address", "address"):
        if getattr(args, name):
            flag = f"--{name.replace('_', '-')}"
            raise LabError(f"{flag} cannot be used with --network-interface, which says it itself")
    return [argparse.Namespace(**one) for one in args.network_interface]


def _disks(args: argparse.Namespace) -> list[Body]:
    """The boot disk, where an image is named: kept and shown, as the lab has one image alone."""
    name = args.image or (args.image_family and f"family/{args.image_family}")
    if not name:
        return []
    project = f"projects/{args.image_project}/" if args.image_project else ""
    source = name if "/images/" in name else f"{project}global/images/{name}"
    return [
        {"boot": True, "autoDelete": True, "initializeParams": {"sourceImage": source}},
    ]


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


def as_items(given: dict[str, str]) -> list[Body]:
    """Metadata as Compute has it."""
    return [{"key": key, "value": value} for key, value in given.items()]


ALIASES = reading("--aliases", aliases, "[RANGE_NAME:]RANGE;...", metavar="ALIASES")
CREATE = Command(
    "instances create",
    "make instances",
    _create,
    (
        NAMES,
        *places(INSTANCES),
        text("--machine-type", default=USUAL_MACHINE),
        text("--network"),
        text("--subnet"),
        text("--private-network-ip"),
        ALIASES,
        once("--can-ip-forward"),
        listed("--tags"),
        mapping("--labels"),
        mapping("--metadata"),
        once("--no-address"),
        text("--address"),
        reading(
            "--network-interface",
            interface,
            "subnet=NAME,aliases=...,no-address; may be repeated",
            action="append",
            metavar="KEY=VALUE,...",
        ),
        text("--image"),
        text("--image-family"),
        text("--image-project"),
        switch("--deletion-protection"),
        text("--hostname"),
        text("--description", "what it is for"),
    ),
)

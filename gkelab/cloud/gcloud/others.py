"""gcloud's commands for addresses, operations, machine types, images, places and the project."""

from __future__ import annotations

import argparse

from gkelab.cloud.gcloud.flags import choice, listed, text
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import NAME, NAMES, Command, filled, insert, places, shown, usual
from gkelab.errors import LabError

ADDRESSES = Group(
    "addresses",
    "addresses",
    ("regions", "global"),
    "table(name,address:label=ADDRESS/RANGE,addressType:label=TYPE,purpose,"
    "network.basename(),region.basename(),subnetwork.basename():label=SUBNET,status)",
)
OPERATIONS = Group(
    "operations",
    "operations",
    ("regions", "zones", "global"),
    "table(name,operationType:label=TYPE,targetLink.scope():label=TARGET,"
    "httpErrorStatusCode:label=HTTP_STATUS,status,insertTime:label=TIMESTAMP)",
)
MACHINE_TYPES = Group(
    "machine-types",
    "machineTypes",
    ("zones",),
    "table(name,zone,guestCpus:label=CPUS,memoryMb:label=MEMORY_MB,"
    "deprecated.state:label=DEPRECATED)",
)
IMAGES = Group(
    "images",
    "images",
    ("global",),
    "table(name,selfLink.segment(6):label=PROJECT,family,deprecated.state:label=DEPRECATED,status)",
    (
        *("almalinux-cloud", "centos-cloud", "cos-cloud", "debian-cloud", "fedora-coreos-cloud"),
        *("opensuse-cloud", "rhel-cloud", "rocky-linux-cloud", "suse-cloud", "ubuntu-os-cloud"),
        *("windows-cloud", "windows-sql-cloud"),
    ),
)
REGIONS = Group("regions", "regions", ("",), "table(name,status,zones.basename():label=ZONES)")
ZONES = Group("zones", "zones", ("",), "table(name,region.basename(),status)")


def _create_addresses(session: Session, args: argparse.Namespace) -> Answer:
    given = args.addresses or []
    if given and len(given) != len(args.names):
        raise LabError("If giving --addresses, give as many as names")
    made = []
    for index, name in enumerate(args.names):
        scope = session.new_scope(ADDRESSES, args, name)
        body = filled(
            name=name,
            address=given[index] if given else None,
            addressType="INTERNAL" if args.subnet else None,
            purpose=args.purpose and args.purpose.upper().replace("-", "_"),
            description=args.description,
        )
        if args.subnet:
            links = args.subnet if "/" in args.subnet else f"{scope}/subnetworks/{args.subnet}"
            body["subnetwork"] = links
        made.append(insert(session, ADDRESSES, scope, body))
    return Answer(made, ADDRESSES.table)


def _wait(session: Session, args: argparse.Namespace) -> Answer:
    found = []
    for name in args.names:
        scope = session.scope(OPERATIONS, args, name)
        said = {"operation": name}
        found.append(session.cloud.call("wait", OPERATIONS.collection, scope, said))
    return Answer(found, OPERATIONS.table)


def _newest_image(session: Session, args: argparse.Namespace) -> Answer:
    said = {"family": args.name}
    return Answer(session.cloud.call("get_from_family", "images", "global", said), "yaml")


def _project(session: Session, args: argparse.Namespace) -> Answer:
    return Answer(shown(session.cloud.call("get", "projects", "", {})), "yaml")


COMMANDS = [
    *usual(ADDRESSES, "list", "describe", "delete"),
    Command(
        "addresses create",
        "reserve addresses",
        _create_addresses,
        (
            NAMES,
            *places(ADDRESSES),
            listed("--addresses"),
            text("--subnet"),
            choice("--purpose", "gce_endpoint", "shared-loadbalancer-vip"),
            text("--description"),
        ),
    ),
    *usual(OPERATIONS, "list", "describe"),
    Command(
        "operations wait", "wait until operations are done", _wait, (NAMES, *places(OPERATIONS))
    ),
    *usual(MACHINE_TYPES, "list", "describe"),
    *usual(IMAGES, "list", "describe"),
    Command("images describe-from-family", "show the newest of a family", _newest_image, (NAME,)),
    *usual(REGIONS, "list", "describe"),
    *usual(ZONES, "list", "describe"),
    Command("project-info describe", "show the project", _project),
]

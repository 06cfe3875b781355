"""gcloud's commands for addresses, operations, machine types, images, places and the project."""

from __future__ import annotations

import argparse

from gkelab.cloud.gcloud.flags import TIERS, choice, enum, listed, text
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import (
    NAME,
    NAMES,
    Command,
    filled,
    insert,
    network_link,
    places,
    shown,
    usual,
)
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
    "operation_http_status():label=HTTP_STATUS,status,insertTime:label=TIMESTAMP)",
)
MACHINE_TYPES = Group(
    "machine-types",
    "machineTypes",
    ("zones",),
    "table(name,zone.basename(),guestCpus:label=CPUS,"
    "memoryMb.size(units_in=MiB,units_out=GiB,precision=2):label=MEMORY_GB,"
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
REGIONS = Group(
    "regions",
    "regions",
    ("",),
    # The lab's regions have no quotas: these columns stay empty, as gcloud's do then.
    "table(name,quotas.metric.CPUS.quota():label=CPUS,"
    "quotas.metric.DISKS_TOTAL_GB.quota():label=DISKS_GB,"
    "quotas.metric.IN_USE_ADDRESSES.quota():label=ADDRESSES,"
    "quotas.metric.STATIC_ADDRESSES.quota():label=RESERVED_ADDRESSES,"
    "status():label=STATUS,deprecated.deleted:label=TURNDOWN_DATE)",
)
ZONES = Group(
    "zones",
    "zones",
    ("",),
    "table(name,region.basename(),status():label=STATUS,"
    "maintenanceWindows.next_maintenance():label=NEXT_MAINTENANCE,"
    "deprecated.deleted:label=TURNDOWN_DATE)",
)


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
            addressType="INTERNAL" if args.subnet or args.network else None,
            network=args.network and network_link(args.network),
            networkTier=args.network_tier,
            ipVersion=args.ip_version,
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
            text("--network"),
            enum("--network-tier", *TIERS),
            enum("--ip-version", "IPV4", "IPV6"),
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

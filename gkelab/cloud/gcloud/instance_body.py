"""What the flags of gcloud's `instances create` say of an instance."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import (
    NIC_TYPES,
    STACKS,
    TIERS,
    Flag,
    aliases,
    enum,
    gigabytes,
    interface,
    listed,
    mapping,
    merged,
    once,
    reading,
    switch,
    text,
)
from gkelab.cloud.gcloud.usual import filled, network_link
from gkelab.errors import LabError

USUAL_MACHINE = "n1-standard-1"
# What a boot disk is made from when only its size or type is said.
USUAL_IMAGE = "projects/debian-cloud/global/images/family/debian-12"
# The flags that an interface has of its own.
_NIC = (
    *("network", "subnet", "private_network_ip", "aliases", "no_address", "address"),
    *("network_tier", "nic_type", "stack_type"),
)
_AUTH = "https://www.googleapis.com/auth/"
# gcloud's names for scopes, where they are not the scope's own (`gcloud compute instances create
# --help`, --scopes).
_USUAL_SCOPES = (
    *("devstorage.read_only", "logging.write", "monitoring.write", "pubsub"),
    *("service.management.readonly", "servicecontrol", "trace.append"),
)
_SCOPES = {
    "cloud-source-repos": ("source.full_control",),
    "cloud-source-repos-ro": ("source.read_only",),
    "compute-ro": ("compute.readonly",),
    "compute-rw": ("compute",),
    "default": _USUAL_SCOPES,
    "gke-default": (
        *("devstorage.read_only", "logging.write", "monitoring"),
        *("service.management.readonly", "servicecontrol", "trace.append"),
    ),
    "logging-write": ("logging.write",),
    "monitoring-read": ("monitoring.read",),
    "monitoring-write": ("monitoring.write",),
    "service-control": ("servicecontrol",),
    "service-management": ("service.management.readonly",),
    "sql": ("sqlservice",),
    "sql-admin": ("sqlservice.admin",),
    "storage-full": ("devstorage.full_control",),
    "storage-ro": ("devstorage.read_only",),
    "storage-rw": ("devstorage.read_write",),
    "trace": ("trace.append",),
    "userinfo-email": ("userinfo.email",),
    **{name: (name,) for name in ("bigquery", "cloud-platform", "datastore", "monitoring")},
    **{name: (name,) for name in ("pubsub", "taskqueue")},
}


def body_of(args: argparse.Namespace, zone: str) -> Body:
    """An instance in a zone, without its name and machine type. LabError for what contradicts
    itself."""
    body = filled(
        description=args.description,
        canIpForward=args.can_ip_forward,
        tags=filled(items=args.tags),
        labels=merged(args.labels),
        metadata=filled(items=as_items(_metadata(args))),
        disks=_disks(args, zone),
        serviceAccounts=_service_accounts(args),
        scheduling=scheduling(args),
    )
    region = zone.rpartition("-")[0]
    return {**body, "networkInterfaces": [_interface(one, region) for one in _interfaces(args)]}


def _interfaces(args: argparse.Namespace) -> list[argparse.Namespace]:
    """The interfaces that are asked for: one by its own flags, or each by --network-interface."""
    if not args.network_interface:
        return [args]
    for name in _NIC:
        if getattr(args, name):
            flag = f"--{name.replace('_', '-')}"
            raise LabError(f"{flag} cannot be used with --network-interface, which says it itself")
    return [argparse.Namespace(**one) for one in args.network_interface]


def _interface(args: argparse.Namespace, region: str) -> Body:
    network, subnet = args.network, args.subnet
    nic = filled(
        network=network and network_link(network),
        subnetwork=subnet
        and (subnet if "/" in subnet else f"regions/{region}/subnetworks/{subnet}"),
        networkIP=args.private_network_ip,
        aliasIpRanges=args.aliases,
        nicType=args.nic_type,
        stackType=args.stack_type,
    )
    if args.no_address and args.network_tier:
        raise LabError("network-tier is for an external address, which no-address leaves out")
    if not (network or subnet):
        nic["network"] = "global/networks/default"
    if not args.no_address:
        access = filled(name="external-nat", natIP=args.address, networkTier=args.network_tier)
        nic["accessConfigs"] = [access]
    return nic


def _disks(args: argparse.Namespace, zone: str) -> list[Body]:
    """The boot disk, where something is said of it: kept and shown, as the lab has one image
    alone."""
    name = args.image or (args.image_family and f"family/{args.image_family}")
    if not (name or args.boot_disk_size or args.boot_disk_type):
        return []
    project = f"projects/{args.image_project}/" if args.image_project else ""
    named = name and (name if "/images/" in name else f"{project}global/images/{name}")
    kind = args.boot_disk_type
    made = filled(
        sourceImage=named or USUAL_IMAGE,
        diskSizeGb=args.boot_disk_size,
        diskType=kind and (kind if "/" in kind else f"zones/{zone}/diskTypes/{kind}"),
    )
    return [{"boot": True, "autoDelete": True, "initializeParams": made}]


def _metadata(args: argparse.Namespace) -> dict[str, str]:
    said = merged(args.metadata)
    for key, name in merged(args.metadata_from_file).items():
        if key in said:
            raise LabError(f"Encountered duplicate metadata key [{key}]")
        said[key] = read_file(name)
    return said


def read_file(name: str) -> str:
    """A file's text. LabError when it cannot be read."""
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not a text"
        raise LabError(f"Unable to read file [{name}]: {why}") from error


def _service_accounts(args: argparse.Namespace) -> list[Body]:
    """The account that programs of the VM would be; none unless something is said of it, as the
    lab has no accounts."""
    if args.scopes is not None and args.no_scopes:
        raise LabError("argument --scopes: not allowed with --no-scopes")
    if args.no_service_account and (args.service_account or not args.no_scopes):
        raise LabError("--no-service-account is for use with --no-scopes, and no account")
    account = args.service_account or "default"
    if args.no_scopes:
        return [] if account == "default" else [{"email": account, "scopes": []}]
    if args.scopes is None and not args.service_account:
        return []
    words = ["default"] if args.scopes is None else args.scopes
    scopes = {scope for word in words for scope in _scopes(word)}
    return [{"email": account, "scopes": sorted(scopes)}]


def _scopes(word: str) -> list[str]:
    """What gcloud's name for scopes stands for; a scope is itself."""
    if word in _SCOPES:
        return [f"{_AUTH}{name}" for name in _SCOPES[word]]
    if "://" not in word:
        raise LabError(f"[{word}] is an illegal value for [--scopes]: neither a URL nor an alias")
    return [word]


def scheduling(args: argparse.Namespace) -> Body:
    """What is said of how Compute treats the VM: kept and shown."""
    spot = args.preemptible or args.provisioning_model == "SPOT"
    if spot and args.restart_on_failure:
        raise LabError("A VM that can be preempted is not restarted: leave --restart-on-failure")
    return filled(
        automaticRestart=False if spot else args.restart_on_failure,
        onHostMaintenance=args.maintenance_policy,
        preemptible=True if spot else args.preemptible,
        provisioningModel=args.provisioning_model,
    )


def as_items(given: Mapping[str, str]) -> list[dict[str, Any]]:
    """Metadata as Compute has it."""
    return [{"key": key, "value": value} for key, value in given.items()]


ALIASES = reading("--aliases", aliases, "[RANGE_NAME:]RANGE;...", metavar="ALIASES")
SCHEDULING = (
    enum("--maintenance-policy", "MIGRATE", "TERMINATE"),
    enum("--provisioning-model", "SPOT", "STANDARD"),
    switch("--restart-on-failure"),
)
BODY = (
    text("--network"),
    text("--subnet"),
    text("--private-network-ip"),
    ALIASES,
    once("--can-ip-forward"),
    listed("--tags"),
    mapping("--labels"),
    mapping("--metadata"),
    mapping("--metadata-from-file", "files whose text is metadata"),
    once("--no-address"),
    text("--address"),
    enum("--network-tier", *TIERS),
    enum("--nic-type", *NIC_TYPES),
    enum("--stack-type", *STACKS),
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
    reading("--boot-disk-size", gigabytes, "kept and shown: 20GB", metavar="SIZE"),
    text("--boot-disk-type", "kept and shown"),
    listed("--scopes", "kept and shown, with their account"),
    once("--no-scopes"),
    text("--service-account"),
    once("--no-service-account"),
    Flag("--preemptible", {"action": "store_true", "default": None}),
    *SCHEDULING,
    text("--description", "what it is for"),
)

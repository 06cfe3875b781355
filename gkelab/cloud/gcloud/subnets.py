"""gcloud's commands for subnets."""

from __future__ import annotations

import argparse
from ipaddress import IPv4Network

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import (
    STACKS,
    enum,
    listed,
    mapping,
    merged,
    number,
    switch,
    text,
)
from gkelab.cloud.gcloud.listing import CHOOSING, chosen
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import (
    NAME,
    Command,
    filled,
    insert,
    network_link,
    places,
    update,
    usual,
)
from gkelab.cloud.rest import RestCloud
from gkelab.errors import LabError

SUBNETS = Group(
    "networks subnets",
    "subnetworks",
    ("regions",),
    "table(name,region.basename(),network.basename(),ipCidrRange:label=RANGE,stackType,"
    "ipv6AccessType,internalIpv6Prefix,externalIpv6Prefix)",
    by=("network",),
)


def _secondary(given: dict[str, str]) -> list[Body]:
    return [{"rangeName": name, "ipCidrRange": network} for name, network in given.items()]


def _kept(args: argparse.Namespace) -> Body:
    """What create and update have in common: kept and shown, as far as the cloud takes it."""
    return filled(
        purpose=args.purpose,
        stackType=args.stack_type,
        logConfig=filled(enable=args.enable_flow_logs),
    )


def _create_subnet(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.new_scope(SUBNETS, args, args.name)
    body = filled(
        name=args.name,
        network=network_link(args.network),
        ipCidrRange=args.range,
        description=args.description,
        secondaryIpRanges=_secondary(merged(args.secondary_range)),
        privateIpGoogleAccess=args.enable_private_ip_google_access,
        **_kept(args),
    )
    return Answer([insert(session, SUBNETS, scope, body)], SUBNETS.table)


def _update_subnet(session: Session, args: argparse.Namespace) -> Answer:
    scope, current = session.current(SUBNETS, args)
    access = args.enable_private_ip_google_access
    if access is not None:
        field = "subnetworksSetPrivateIpGoogleAccessRequestResource"
        said = {"subnetwork": args.name, field: {"privateIpGoogleAccess": access}}
        update(session, "set_private_ip_google_access", SUBNETS, scope, said)
        current = session.cloud.get(SUBNETS.collection, scope, args.name)
    body = _kept(args)
    if args.remove_secondary_ranges or args.add_secondary_ranges:
        body["secondaryIpRanges"] = _ranges(current, args)
    if body:
        _patch(session, scope, args.name, {**body, "fingerprint": current["fingerprint"]})
    elif access is None:
        raise LabError("At least one property must be modified")
    return Answer()


def _ranges(current: Body, args: argparse.Namespace) -> list[Body]:
    """The secondary ranges that a subnet is to have."""
    had = {item["rangeName"]: item for item in current.get("secondaryIpRanges", [])}
    gone = args.remove_secondary_ranges or []
    for name in gone:
        if name not in had:
            raise LabError(f"Subnetwork does not have a range {name}, only {sorted(had)}")
    left = [item for name, item in had.items() if name not in gone]
    return left + _secondary(merged(args.add_secondary_ranges))


def _patch(session: Session, scope: str, name: str, body: Body) -> None:
    said = {"subnetwork": name, "subnetworkResource": body}
    if body.get("secondaryIpRanges") != []:
        update(session, "patch", SUBNETS, scope, said)
        return
    # Google's client leaves an empty list out, and the last range would stay.
    cloud = RestCloud(session.cloud.endpoint, session.cloud.project)
    cloud.write("patch", SUBNETS.collection, scope, said)
    session.tell(f"Updated [{session.link(SUBNETS.collection, scope, name)}].")


def _list_usable(session: Session, args: argparse.Namespace) -> Answer:
    found = session.cloud.usable_subnets()
    return Answer(chosen(found, args, ["subnetwork"]), _USABLE, listed=True)


def _expand_subnet(session: Session, args: argparse.Namespace) -> Answer:
    scope, current = session.current(SUBNETS, args)
    network = IPv4Network(current["ipCidrRange"])
    if not 0 <= args.prefix_length <= network.prefixlen:
        raise LabError(f"Prefix length {args.prefix_length} is not shorter than that of {network}")
    wider = str(network.supernet(new_prefix=args.prefix_length))
    session.tell(f"The IP range of subnetwork [{args.name}] goes from {network} to {wider}.")
    field = "subnetworksExpandIpCidrRangeRequestResource"
    said = {"subnetwork": args.name, field: {"ipCidrRange": wider}}
    return update(session, "expand_ip_cidr_range", SUBNETS, scope, said)


_USABLE = (
    "table(subnetwork.segment(-5):label=PROJECT,subnetwork.segment(-3):label=REGION,"
    "network.segment(-1):label=NETWORK,subnetwork.segment(-1):label=SUBNET,"
    "ipCidrRange:label=RANGE,"
    "secondaryIpRanges.map().format('{0} {1}',rangeName,ipCidrRange).list(separator='\n')"
    ":label=SECONDARY_RANGES)"
)
_KEPT = (
    switch("--enable-private-ip-google-access"),
    switch("--enable-flow-logs", "kept and shown: the lab writes no flow logs"),
    enum(
        "--purpose", "PRIVATE", "REGIONAL_MANAGED_PROXY", "PRIVATE_SERVICE_CONNECT", "PRIVATE_NAT"
    ),
    enum("--stack-type", *STACKS),
)
COMMANDS = [
    *usual(SUBNETS, "list", "describe", "delete"),
    Command(
        "networks subnets create",
        "make a subnet",
        _create_subnet,
        (
            NAME,
            *places(SUBNETS),
            text("--network", required=True),
            text("--range", required=True),
            mapping("--secondary-range", "NAME=RANGE,..."),
            *_KEPT,
            text("--description", "what it is for"),
        ),
    ),
    Command(
        "networks subnets update",
        "change a subnet",
        _update_subnet,
        (
            NAME,
            *places(SUBNETS),
            mapping("--add-secondary-ranges"),
            listed("--remove-secondary-ranges"),
            *_KEPT,
        ),
    ),
    Command(
        "networks subnets expand-ip-range",
        "give a subnet a larger primary range",
        _expand_subnet,
        (NAME, *places(SUBNETS), number("--prefix-length", required=True)),
    ),
    Command(
        "networks subnets list-usable",
        "list the subnets that may be used: all, as the lab's cloud asks nobody who they are",
        _list_usable,
        CHOOSING,
    ),
]

"""gcloud's commands for networks, subnets and routes."""

from __future__ import annotations

import argparse
from ipaddress import IPv4Network

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.flags import choice, listed, mapping, merged, number, once, switch, text
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
from gkelab.errors import LabError

NETWORKS = Group(
    "networks",
    "networks",
    ("global",),
    "table(name,x_gcloud_subnet_mode:label=SUBNET_MODE,"
    "x_gcloud_bgp_routing_mode:label=BGP_ROUTING_MODE,IPv4Range:label=IPV4_RANGE,"
    "gatewayIPv4:label=GATEWAY_IPV4)",
)
SUBNETS = Group(
    "networks subnets",
    "subnetworks",
    ("regions",),
    "table(name,region.basename(),network.basename(),ipCidrRange:label=RANGE,stackType,"
    "ipv6AccessType,internalIpv6Prefix,externalIpv6Prefix)",
)
ROUTES = Group(
    "routes",
    "routes",
    ("global",),
    "table(name,network.basename(),destRange:label=DEST_RANGE,"
    "firstof(nextHopInstance,nextHopIp,nextHopGateway,nextHopNetwork).scope():label=NEXT_HOP,"
    "priority)",
)


def _create_network(session: Session, args: argparse.Namespace) -> Answer:
    body = filled(
        name=args.name,
        description=args.description,
        mtu=args.mtu,
        routingConfig=filled(routingMode=args.bgp_routing_mode and args.bgp_routing_mode.upper()),
    )
    body["autoCreateSubnetworks"] = args.subnet_mode == "auto"
    return Answer([insert(session, NETWORKS, "global", body)], NETWORKS.table)


def _update_network(session: Session, args: argparse.Namespace) -> Answer:
    if args.switch_to_custom_subnet_mode:
        update(session, "switch_to_custom_mode", NETWORKS, "global", {"network": args.name})
    mode = args.bgp_routing_mode
    body = filled(mtu=args.mtu, routingConfig=filled(routingMode=mode and mode.upper()))
    if body:
        return _patch(session, NETWORKS, "global", args.name, body)
    return Answer()


def _patch(session: Session, group: Group, scope: str, name: str, body: Body) -> Answer:
    one = group.collection.removesuffix("s")
    return update(session, "patch", group, scope, {one: name, f"{one}Resource": body})


def _secondary(given: dict[str, str]) -> list[Body]:
    return [{"rangeName": name, "ipCidrRange": network} for name, network in given.items()]


def _create_subnet(session: Session, args: argparse.Namespace) -> Answer:
    scope = session.new_scope(SUBNETS, args, args.name)
    body = filled(
        name=args.name,
        network=network_link(args.network),
        ipCidrRange=args.range,
        description=args.description,
        secondaryIpRanges=_secondary(merged(args.secondary_range)),
        privateIpGoogleAccess=args.enable_private_ip_google_access,
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
    had = {item["rangeName"]: item for item in current.get("secondaryIpRanges", [])}
    gone = args.remove_secondary_ranges or []
    for name in gone:
        if name not in had:
            raise LabError(f"Subnetwork does not have a range {name}, only {sorted(had)}")
    ranges = [item for name, item in had.items() if name not in gone]
    ranges += _secondary(merged(args.add_secondary_ranges))
    if gone or args.add_secondary_ranges:
        body = {"fingerprint": current["fingerprint"], "secondaryIpRanges": ranges}
        return _patch(session, SUBNETS, scope, args.name, body)
    return Answer()


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


def _create_route(session: Session, args: argparse.Namespace) -> Answer:
    hop = filled(nextHopGateway=args.next_hop_gateway, nextHopIp=args.next_hop_address)
    if args.next_hop_instance:
        zone = args.next_hop_instance_zone or session.zone
        if not zone:
            raise LabError("Must specify --next-hop-instance-zone with --next-hop-instance")
        hop["nextHopInstance"] = f"zones/{zone}/instances/{args.next_hop_instance}"
    if args.next_hop_gateway:
        hop["nextHopGateway"] = f"global/gateways/{args.next_hop_gateway}"
    body = filled(
        name=args.name,
        network=network_link(args.network),
        destRange=args.destination_range,
        tags=args.tags,
        description=args.description,
    )
    route = insert(session, ROUTES, "global", {**body, **hop, "priority": args.priority})
    return Answer([route], ROUTES.table)


_DESCRIPTION = text("--description", "what it is for")
_ROUTING = choice("--bgp-routing-mode", "regional", "global")
_PRIVATE = switch("--enable-private-ip-google-access")
_NETWORK = text("--network", "the network", default="default")
COMMANDS = [
    *usual(NETWORKS, "list", "describe", "delete"),
    Command(
        "networks create",
        "make a network",
        _create_network,
        (
            NAME,
            choice("--subnet-mode", "auto", "custom", default="auto"),
            _ROUTING,
            number("--mtu"),
            _DESCRIPTION,
        ),
    ),
    Command(
        "networks update",
        "change a network",
        _update_network,
        (NAME, _ROUTING, number("--mtu"), once("--switch-to-custom-subnet-mode")),
    ),
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
            _PRIVATE,
            _DESCRIPTION,
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
            _PRIVATE,
        ),
    ),
    Command(
        "networks subnets expand-ip-range",
        "give a subnet a larger primary range",
        _expand_subnet,
        (NAME, *places(SUBNETS), number("--prefix-length", required=True)),
    ),
    *usual(ROUTES, "list", "describe", "delete"),
    Command(
        "routes create",
        "make a route",
        _create_route,
        (
            NAME,
            _NETWORK,
            text("--destination-range", required=True),
            text("--next-hop-gateway"),
            text("--next-hop-address"),
            text("--next-hop-instance"),
            text("--next-hop-instance-zone"),
            number("--priority", default=1000),
            listed("--tags"),
            _DESCRIPTION,
        ),
    ),
]

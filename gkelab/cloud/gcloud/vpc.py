"""gcloud's commands for networks and routes."""

from __future__ import annotations

import argparse

from gkelab.cloud.gcloud.flags import choice, listed, number, once, text
from gkelab.cloud.gcloud.session import Answer, Group, Session
from gkelab.cloud.gcloud.usual import (
    NAME,
    Command,
    filled,
    insert,
    network_link,
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
        said = {"network": args.name, "networkResource": body}
        return update(session, "patch", NETWORKS, "global", said)
    return Answer()


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

"""Routes of a VPC: those that a person made, and those that subnets and networks bring."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from ipaddress import IPv4Network

from gkelab.cloud.api import errors, ranges
from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds import permissions
from gkelab.cloud.api.kinds.base import Kind, check_name, compose, linked
from gkelab.cloud.api.links import GLOBAL, Ref
from gkelab.cloud.api.store import View, Write

HOPS = ("nextHopInstance", "nextHopIp", "nextHopGateway")
GATEWAY = "global/gateways/default-internet-gateway"
HIGHEST_PRIORITY_NUMBER = 65535
MESSAGE = message(
    strings=f"name description network destRange {' '.join(HOPS)}",
    ints="priority",
    lists="tags",
    output="params nextHopNetwork nextHopHub nextHopPeering nextHopOrigin nextHopInterRegionCost"
    " nextHopMed nextHopInterconnectAttachment asPaths routeStatus routeType warnings",
    absent="nextHopIlb nextHopVpnTunnel",
)
_GENERATED = re.compile(r"default-route-(r-)?[0-9a-f]{16}")


def _create(write: Write, ref: Ref, wanted: Body) -> Body:
    for field in ("network", "destRange"):
        if field not in wanted:
            raise errors.required(f"resource.{field}")
    _, network = linked(write, "resource.network", wanted["network"], "networks")
    destination = ranges.network_of(wanted["destRange"], "resource.destRange")
    for _, subnet in ranges.subnets_of(write, network["selfLink"]):
        for _, whole in ranges.own_ranges(subnet):
            if destination.subnet_of(whole):
                raise errors.invalid(
                    "resource.destRange",
                    wanted["destRange"],
                    f"The destination is within the range {whole} of subnetwork "
                    f"'{subnet['name']}', which has a route of its own.",
                )
    priority = wanted.get("priority", 1000)
    if not 0 <= priority <= HIGHEST_PRIORITY_NUMBER:
        raise errors.invalid(
            "resource.priority", priority, f"Must be from 0 to {HIGHEST_PRIORITY_NUMBER}."
        )
    for index, tag in enumerate(wanted.get("tags", ())):
        check_name(tag, f"resource.tags[{index}]")
    hops = {**wanted, **_hop(write, wanted, network)}
    return {
        **hops,
        "network": network["selfLink"],
        "destRange": str(destination),
        "priority": priority,
    }


def _hop(write: Write, wanted: Body, network: Body) -> Body:
    given = [hop for hop in HOPS if hop in wanted]
    if len(given) != 1:
        raise errors.bad_request(f"Exactly one of {', '.join(HOPS)} must be specified.")
    hop, field = given[0], f"resource.{given[0]}"
    value = wanted[hop]
    if hop == "nextHopInstance":
        _, instance = linked(write, field, value, "instances")
        return {hop: instance["selfLink"]}
    if hop == "nextHopGateway":
        if not value.endswith(GATEWAY):
            raise errors.invalid(field, value, "Only the default internet gateway can be used.")
        return {hop: gateway(network["selfLink"])}
    address = ranges.address_of(value, field)
    subnets = (subnet for _, subnet in ranges.subnets_of(write, network["selfLink"]))
    if not any(address in IPv4Network(subnet["ipCidrRange"]) for subnet in subnets):
        raise errors.invalid(field, value, "The address is in no subnetwork of the network.")
    return {hop: str(address)}


def gateway(network: str) -> str:
    """The link of the internet gateway of a network's project."""
    return f"{network.partition('/global/')[0]}/{GATEWAY}"


def generated(route: Body) -> bool:
    """Whether the cloud made the route for a network or a subnet, which take it with them."""
    return bool(_GENERATED.fullmatch(route["name"]))


def add_internet_route(write: Write, network: str) -> None:
    """What every new network has: a default route to the internet, which can be deleted."""
    own = {
        "description": "Default route to the Internet.",
        "network": network,
        "destRange": "0.0.0.0/0",
        "priority": 1000,
        "nextHopGateway": gateway(network),
    }
    _put(write, f"default-route-{secrets.token_hex(8)}", own)


def match_subnet(write: Write, network: str, wanted: set[str], had: set[str]) -> None:
    """Have one route for each of a subnet's ranges, and none for those that it had."""
    for ref, route in list(write.all("routes")):
        if _local(route) and route["network"] == network and route["destRange"] in had - wanted:
            write.delete(ref)
    for destination in sorted(wanted - had):
        own = {
            "description": f"Default local route to the subnetwork {destination}.",
            "network": network,
            "destRange": destination,
            "priority": 0,
            "nextHopNetwork": network,
        }
        _put(write, f"default-route-r-{secrets.token_hex(8)}", own)


def _put(write: Write, name: str, own: Body) -> None:
    ref = Ref("routes", GLOBAL, name)
    write.put(ref, compose(KIND, ref, write.project, own))


def _local(route: Body) -> bool:
    return "nextHopNetwork" in route


def _remove(write: Write, ref: Ref, body: Body) -> None:
    if _local(body):
        raise errors.bad_request("The local route cannot be deleted.")


def _show(view: View, body: Body) -> Body:
    problems = list(_warnings(view, body))
    kind = "SUBNET" if _local(body) else "STATIC"
    shown = {**body, "routeType": kind, "routeStatus": "INACTIVE" if problems else "ACTIVE"}
    return {**shown, **({"warnings": problems} if problems else {})}


def _warnings(view: View, body: Body) -> Iterator[Body]:
    """A route outlives the instance that it leads to, and says so."""
    link = body.get("nextHopInstance")
    parsed = Ref.parse(link) if link else None
    if parsed is None:
        return
    instance = view.get(parsed[1])
    if instance is None:
        code, what = "NEXT_HOP_INSTANCE_NOT_FOUND", "does not exist"
    elif not instance["canIpForward"]:
        code, what = "NEXT_HOP_CANNOT_IP_FORWARD", "does not have canIpForward set"
    elif all(nic["network"] != body["network"] for nic in instance["networkInterfaces"]):
        code, what = "NEXT_HOP_INSTANCE_NOT_ON_NETWORK", "is not on the route's network"
    else:
        return
    yield {
        "code": code,
        "message": f"Next hop instance '{link}' {what}.",
        "data": [{"key": "instance", "value": link}],
    }


KIND = Kind(
    collection="routes",
    noun="route",
    scopes=(GLOBAL,),
    message=MESSAGE,
    create=_create,
    remove=_remove,
    show=_show,
    questions=permissions.TEST,
)

"""VPC networks: global, with subnets in regions; auto mode gives every region one."""

from __future__ import annotations

from collections.abc import Iterator

from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body, message
from gkelab.cloud.api.kinds import firewalls, places, routes, subnetworks
from gkelab.cloud.api.kinds.base import (
    Action,
    Kind,
    Query,
    Question,
    refuse_in_use,
    values,
)
from gkelab.cloud.api.links import GLOBAL, Ref
from gkelab.cloud.api.store import View, Write

SMALLEST_MTU, LARGEST_MTU, USUAL_MTU = 1300, 8896, 1460
ROUTING = message(
    strings="routingMode bgpBestPathSelectionMode bgpInterRegionCost",
    bools="bgpAlwaysCompareMed",
    output="effectiveBgpAlwaysCompareMed effectiveBgpInterRegionCost",
)
MESSAGE = message(
    strings="name description IPv4Range networkFirewallPolicyEnforcementOrder",
    bools="autoCreateSubnetworks",
    ints="mtu",
    output="params gatewayIPv4 selfLinkWithId subnetworks firewallPolicy peerings",
    absent="enableUlaInternalIpv6 internalIpv6Range networkProfile",
    routingConfig=ROUTING,
)


def _create(write: Write, ref: Ref, wanted: Body) -> Body:
    if "IPv4Range" in wanted:
        raise errors.invalid(
            "resource.IPv4Range", wanted["IPv4Range"], "Legacy networks cannot be created."
        )
    if "autoCreateSubnetworks" not in wanted:
        raise errors.invalid(
            "resource.autoCreateSubnetworks",
            "",
            "Legacy networks cannot be created: say true (auto mode) or false (custom mode).",
        )
    order = "networkFirewallPolicyEnforcementOrder"
    return _checked(
        {
            "mtu": USUAL_MTU,
            order: "AFTER_CLASSIC_FIREWALL",
            **wanted,
            "routingConfig": {"routingMode": "REGIONAL", **wanted.get("routingConfig", {})},
        }
    )


def _checked(body: Body) -> Body:
    mode = body["routingConfig"]["routingMode"]
    if mode not in ("REGIONAL", "GLOBAL"):
        raise errors.invalid("resource.routingConfig.routingMode", mode)
    if not SMALLEST_MTU <= body["mtu"] <= LARGEST_MTU:
        raise errors.invalid(
            "resource.mtu", body["mtu"], f"Must be from {SMALLEST_MTU} to {LARGEST_MTU}."
        )
    return body


def _change(write: Write, ref: Ref, old: Body, wanted: Body) -> Body:
    routing = {**old["routingConfig"], **wanted["routingConfig"]}
    return _checked({**wanted, "routingConfig": routing})


def _follow(write: Write, ref: Ref, old: Body | None, new: Body | None) -> None:
    if old is None and new is not None:
        routes.add_internet_route(write, new["selfLink"])
        if new["autoCreateSubnetworks"]:
            for region in places.REGIONS:
                subnetworks.add_auto(write, new, region)
    elif old is not None and new is None:
        if old["autoCreateSubnetworks"]:
            for place, _ in list(_of(write, "subnetworks", old)):
                subnetworks.delete(write, place)
        for place, _ in list(_of(write, "routes", old)):
            write.delete(place)


def _remove(write: Write, ref: Ref, body: Body) -> None:
    """In use by all that is in it, what it was given at its creation apart."""
    refuse_in_use("network", ref, write.project, _users(write, body))


def _users(view: View, network: Body) -> Iterator[Body]:
    for collection in ("firewalls", "instances", "addresses"):
        yield from (user for _, user in _of(view, collection, network))
    for ref, subnet in _of(view, "subnetworks", network):
        if not network["autoCreateSubnetworks"] or not places.is_auto(ref, subnet, network):
            yield subnet
    yield from (route for _, route in _of(view, "routes", network) if not routes.generated(route))


def _of(view: View, collection: str, network: Body) -> Iterator[tuple[Ref, Body]]:
    """What of a collection is in the network."""
    path = "networkInterfaces.network" if collection == "instances" else "network"
    for ref, body in view.all(collection):
        if network["selfLink"] in values(body, path):
            yield ref, body


def _show(view: View, body: Body) -> Body:
    links = sorted(subnet["selfLink"] for _, subnet in _of(view, "subnetworks", body))
    with_id = f"{body['selfLink'].rpartition('/')[0]}/{body['id']}"
    return {**body, "selfLinkWithId": with_id, **({"subnetworks": links} if links else {})}


def _to_custom(write: Write, ref: Ref, body: Body, _: Body, query: Query) -> Body:
    if not body["autoCreateSubnetworks"]:
        raise errors.invalid_usage("Cannot switch a custom subnet mode network to custom mode")
    return {**body, "autoCreateSubnetworks": False}


def _effective(view: View, ref: Ref, body: Body, _: Body, query: Query) -> Body:
    rules = (rule for _, rule in _of(view, "firewalls", body))
    return {"firewalls": sorted(rules, key=firewalls.rank)}


KIND = Kind(
    collection="networks",
    noun="network",
    scopes=(GLOBAL,),
    message=MESSAGE,
    create=_create,
    change=_change,
    follow=_follow,
    remove=_remove,
    show=_show,
    patches=frozenset(("routingConfig", "mtu", "networkFirewallPolicyEnforcementOrder")),
    actions={"switchToCustomMode": Action(_to_custom)},
    questions={"getEffectiveFirewalls": Question(_effective)},
)

"""Subnets: a primary range for addresses of VMs, secondary ranges for alias ranges (pods)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.cloud.api import errors, ranges
from gkelab.cloud.api.fields import Body, ListOf, message
from gkelab.cloud.api.kinds import permissions, places, routes
from gkelab.cloud.api.kinds.base import (
    Action,
    Kind,
    Query,
    add,
    check_name,
    linked,
    refuse_in_use,
)
from gkelab.cloud.api.links import Ref, last, relative
from gkelab.cloud.api.store import View, Write

MOST_SECONDARY_RANGES = 170
SECONDARY = message(
    strings="rangeName ipCidrRange", output="ipVersion", absent="reservedInternalRange ipCollection"
)
FLOW_LOGS = message(
    strings="aggregationInterval filterExpr metadata",
    bools="enable",
    lists="metadataFields",
    anys="flowSampling",
)
MESSAGE = message(
    strings="name description network region ipCidrRange fingerprint purpose stackType"
    " privateIpv6GoogleAccess",
    bools="privateIpGoogleAccess enableFlowLogs allowSubnetCidrRoutesOverlap",
    output="params gatewayAddress state utilizationDetails",
    absent="ipv6AccessType externalIpv6Prefix internalIpv6Prefix ipv6CidrRange ipv6GceEndpoint"
    " reservedInternalRange ipCollection role resolveSubnetMask"
    " systemReservedExternalIpv6Ranges systemReservedInternalIpv6Ranges",
    secondaryIpRanges=ListOf(SECONDARY),
    logConfig=FLOW_LOGS,
)
# What the lab makes real of each; Compute has more.
SERVED = {"purpose": "PRIVATE", "stackType": "IPV4_ONLY"}


def _create(write: Write, ref: Ref, wanted: Body) -> Body:
    for field in ("network", "ipCidrRange"):
        if field not in wanted:
            raise errors.required(f"resource.{field}")
    if "region" in wanted and last(wanted["region"]) != last(ref.scope):
        raise errors.invalid(
            "resource.region", wanted["region"], "Must be the region of the request's URL."
        )
    for field, served in SERVED.items():
        if wanted.get(field, served) != served:
            raise errors.invalid(
                f"resource.{field}", wanted[field], f"The local cloud serves {served} alone."
            )
    _, network = linked(write, "resource.network", wanted["network"], "networks")
    body = {
        "privateIpGoogleAccess": False,
        "privateIpv6GoogleAccess": "DISABLE_GOOGLE_ACCESS",
        **SERVED,
        **wanted,
        "network": network["selfLink"],
    }
    _refuse_in_auto_range(network, ref, body)
    primary = _primary(write, ref, body, "resource.ipCidrRange")
    _check_secondary(write, ref, body, [])
    return {**body, "gatewayAddress": str(ipam.reserved_addresses(primary).gateway)}


def _primary(write: Write, ref: Ref, body: Body, field: str) -> IPv4Network:
    primary = ranges.subnet_range(body["ipCidrRange"], field)
    ranges.refuse_conflict(write, body["network"], field, primary, but=(ref, ""))
    return primary


def _refuse_in_auto_range(network: Body, ref: Ref, body: Body) -> None:
    if not network["autoCreateSubnetworks"] or places.is_auto(ref, body, network):
        return
    wanted = ranges.network_of(body["ipCidrRange"], "resource.ipCidrRange")
    if wanted.overlaps(places.AUTO_RANGE):
        raise errors.invalid(
            "resource.ipCidrRange",
            body["ipCidrRange"],
            "Extended subnetworks in auto subnet mode networks cannot overlap with "
            f"{places.AUTO_RANGE}.",
        )


def _check_secondary(write: Write, ref: Ref, body: Body, kept: list[Body]) -> None:
    """Check the secondary ranges that are not there already (`kept`)."""
    items = body.get("secondaryIpRanges", [])
    if len(items) > MOST_SECONDARY_RANGES:
        raise errors.invalid(
            "resource.secondaryIpRanges", "", f"At most {MOST_SECONDARY_RANGES} are possible."
        )
    seen: list[tuple[str, IPv4Network]] = [("", IPv4Network(body["ipCidrRange"]))]
    for index, item in enumerate(items):
        path = f"resource.secondaryIpRanges[{index}]"
        for field in ("rangeName", "ipCidrRange"):
            if field not in item:
                raise errors.required(f"{path}.{field}")
        name = check_name(item["rangeName"], f"{path}.rangeName")
        network = ranges.subnet_range(item["ipCidrRange"], f"{path}.ipCidrRange")
        for other_name, other in seen:
            if other_name == name:
                raise errors.invalid(f"{path}.rangeName", name, "The name is given twice.")
            if other.overlaps(network):
                raise errors.invalid(
                    f"{path}.ipCidrRange",
                    item["ipCidrRange"],
                    f"Invalid IPCidrRange: {network} overlaps {other} of the same subnetwork.",
                )
        seen.append((name, network))
        if item not in kept:
            ranges.refuse_conflict(
                write, body["network"], f"{path}.ipCidrRange", network, but=(ref, name)
            )


def _change(write: Write, ref: Ref, old: Body, wanted: Body) -> Body:
    had = {item["rangeName"]: item for item in old.get("secondaryIpRanges", [])}
    new = {item.get("rangeName", ""): item for item in wanted.get("secondaryIpRanges", [])}
    for index, item in enumerate(wanted.get("secondaryIpRanges", [])):
        if (known := had.get(item.get("rangeName", ""))) not in (None, item):
            raise errors.invalid(
                f"resource.secondaryIpRanges[{index}].ipCidrRange",
                item.get("ipCidrRange", ""),
                f"Existing secondary range cannot be modified: {known['ipCidrRange']}.",
            )
    removed = [item for name, item in had.items() if name not in new]
    added = [item for name, item in new.items() if name not in had]
    if added and removed:
        raise errors.invalid(
            "resource.secondaryIpRanges",
            "",
            "Cannot add and remove secondary IP ranges in the same request. "
            f"Added ranges: {_networks(added)}. Removed ranges: {_networks(removed)}.",
        )
    _check_secondary(write, ref, wanted, [*had.values()])
    for item in removed:
        _refuse_range_in_use(write, ref, old, item["rangeName"])
    return wanted


def _networks(items: list[Body]) -> str:
    return f"[{', '.join(str(item.get('ipCidrRange')) for item in items)}]"


def _refuse_range_in_use(write: Write, ref: Ref, subnet: Body, name: str) -> None:
    for _, instance in write.all("instances"):
        for nic in instance["networkInterfaces"]:
            names = [alias.get("subnetworkRangeName") for alias in nic.get("aliasIpRanges", ())]
            if nic["subnetwork"] == subnet["selfLink"] and name in names:
                path = f"{ref.path(write.project)}/secondaryIpRanges/{name}"
                raise errors.in_use("secondary range", path, relative(instance["selfLink"]))


def _follow(write: Write, ref: Ref, old: Body | None, new: Body | None) -> None:
    either = new or old
    assert either
    wanted, had = (
        {str(network) for _, network in ranges.own_ranges(body)} if body else set()
        for body in (new, old)
    )
    routes.match_subnet(write, either["network"], wanted, had)


def delete(write: Write, ref: Ref) -> None:
    """Delete a subnet with its routes, whoever uses it."""
    old = write.get(ref)
    write.delete(ref)
    _follow(write, ref, old, None)


def _remove(write: Write, ref: Ref, body: Body) -> None:
    parsed = Ref.parse(body["network"])
    network = write.get(parsed[1]) if parsed else None
    if network and network["autoCreateSubnetworks"] and places.is_auto(ref, body, network):
        raise errors.invalid_usage(
            "Cannot delete auto subnetwork from an auto subnet mode network."
        )
    refuse_in_use("subnetwork", ref, write.project, _users(write, body))


def _users(view: View, subnet: Body) -> Iterator[Body]:
    link = subnet["selfLink"]
    for _, instance in view.all("instances"):
        if any(nic["subnetwork"] == link for nic in instance["networkInterfaces"]):
            yield instance
    yield from (
        address for _, address in view.all("addresses") if address.get("subnetwork") == link
    )


def _expand(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    if "ipCidrRange" not in wanted:
        raise errors.required("ipCidrRange")
    old, value = IPv4Network(body["ipCidrRange"]), wanted["ipCidrRange"]
    new = ranges.subnet_range(value, "ipCidrRange")
    if not (old.subnet_of(new) and new.prefixlen < old.prefixlen):
        raise errors.invalid(
            "ipCidrRange", value, f"The new range must be larger than {old} and contain it."
        )
    own = {**body, "ipCidrRange": value}
    parsed = Ref.parse(body["network"])
    network = write.get(parsed[1]) if parsed else None
    if network and not places.is_auto(ref, body, network):
        _refuse_in_auto_range(network, ref, own)
    _primary(write, ref, own, "ipCidrRange")
    _check_secondary(write, ref, own, own.get("secondaryIpRanges", []))
    # An expanded subnet keeps its gateway, whatever the first address is now.
    return own


def _set_access(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    return {**body, **wanted}


KIND = Kind(
    collection="subnetworks",
    noun="subnetwork",
    scopes=("regions",),
    message=MESSAGE,
    create=_create,
    change=_change,
    follow=_follow,
    remove=_remove,
    patches=frozenset(
        (
            "secondaryIpRanges",
            "privateIpGoogleAccess",
            "enableFlowLogs",
            "logConfig",
            "privateIpv6GoogleAccess",
        )
    ),
    fingerprint=True,
    actions={
        "expandIpCidrRange": Action(_expand, message(strings="ipCidrRange")),
        "setPrivateIpGoogleAccess": Action(_set_access, message(bools="privateIpGoogleAccess")),
    },
    questions=permissions.TEST,
)


def add_auto(write: Write, network: Body, region: str) -> Body:
    """Make the subnet that auto mode gives a network in a region; ComputeError when it cannot
    be."""
    wanted = {"network": network["selfLink"], "ipCidrRange": str(places.auto_range(region))}
    return add(write, KIND, Ref(KIND.collection, f"regions/{region}", network["name"]), wanted)

"""Reserved addresses: regional ones of a subnet or of the public range, and global ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.cloud.api import errors, external, ranges
from gkelab.cloud.api.fields import Body, MapOf, message
from gkelab.cloud.api.kinds import labels, permissions
from gkelab.cloud.api.kinds.base import (
    Action,
    Kind,
    Query,
    fingerprint,
    linked,
    refuse_in_use,
)
from gkelab.cloud.api.links import GLOBAL, Ref
from gkelab.cloud.api.store import View, Write

MESSAGE = message(
    strings="name description address addressType subnetwork network purpose networkTier"
    " ipVersion labelFingerprint",
    output="region status users",
    absent="prefixLength ipv6EndpointType ipCollection",
    labels=MapOf(),
)
PURPOSES = ("GCE_ENDPOINT", "SHARED_LOADBALANCER_VIP")


def _create(write: Write, ref: Ref, wanted: Body) -> Body:
    kind = wanted.get("addressType", "EXTERNAL")
    if kind not in ("EXTERNAL", "INTERNAL"):
        raise errors.invalid("resource.addressType", kind, "Must be one of [EXTERNAL, INTERNAL].")
    if wanted.get("ipVersion", "IPV4") != "IPV4":
        raise errors.invalid(
            "resource.ipVersion", wanted["ipVersion"], "The local cloud serves IPV4 alone."
        )
    own = _internal(write, ref, wanted) if kind == "INTERNAL" else _external(write, ref, wanted)
    return _signed({"description": "", **wanted, **own, "addressType": kind})


def _signed(body: Body) -> Body:
    own = body.get("labels", {})
    labels.check(own)
    return {**body, "labelFingerprint": fingerprint(own)}


def _internal(write: Write, ref: Ref, wanted: Body) -> Body:
    if ref.scope == GLOBAL:
        raise errors.invalid(
            "resource.addressType",
            "INTERNAL",
            "Global internal addresses are for peerings, which the local cloud does not serve.",
        )
    purpose = wanted.get("purpose", PURPOSES[0])
    if purpose not in PURPOSES:
        raise errors.invalid(
            "resource.purpose", purpose, f"The local cloud serves {', '.join(PURPOSES)} alone."
        )
    if "subnetwork" not in wanted:
        raise errors.required("resource.subnetwork")
    field, value = "resource.subnetwork", wanted["subnetwork"]
    place, subnet = linked(write, field, value, "subnetworks", missing="invalid")
    if place.scope != ref.scope:
        raise errors.invalid(field, value, "It is not in the address's region.")
    primary = IPv4Network(subnet["ipCidrRange"])
    used = list(ranges.taken(write, subnet["selfLink"]))
    if "address" in wanted:
        address = ranges.address_of(wanted["address"], "resource.address")
        if address not in primary or address in ipam.reserved_addresses(primary):
            raise errors.invalid(
                "resource.address",
                wanted["address"],
                f"Must be a usable address of the subnetwork's range {primary}.",
            )
        # An address that an instance has as its own may be reserved: it stays in use.
        if any(address in network for network in _but_primary(write, subnet, used, str(address))):
            raise errors.address_in_use(address)
    else:
        address = ranges.free_address(subnet, iter(used))
    return {"address": str(address), "subnetwork": subnet["selfLink"], "purpose": purpose}


def _but_primary(
    write: Write, subnet: Body, used: Sequence[IPv4Network], address: str
) -> list[IPv4Network]:
    left = list(used)
    if any(_primary_of(i, subnet["selfLink"], address) for _, i in write.all("instances")):
        left.remove(IPv4Network(address))
    return left


def _primary_of(instance: Body, subnet: str, address: str) -> bool:
    return any(
        nic["subnetwork"] == subnet and nic["networkIP"] == address
        for nic in instance["networkInterfaces"]
    )


def _external(write: Write, ref: Ref, wanted: Body) -> Body:
    for field in ("subnetwork", "purpose"):
        if field in wanted:
            raise errors.invalid(
                f"resource.{field}", wanted[field], "It is for internal addresses."
            )
    settings = write.settings
    pools = settings.frontend if ref.scope == GLOBAL else settings.external
    # Global ones are of the premium tier, whatever the project's is.
    usual = external.USUAL_TIER if ref.scope == GLOBAL else external.tier(write)
    own = {"networkTier": wanted.get("networkTier", usual)}
    if ref.scope == GLOBAL:
        own["ipVersion"] = "IPV4"
    if "address" not in wanted:
        return {**own, "address": external.free(write, pools)}
    address = ranges.address_of(wanted["address"], "resource.address")
    # One that an instance of the region has is promoted to a reserved one.
    if external.holder(write, str(address), ref.scope) is None:
        if not any(address in pool for pool in pools):
            raise errors.invalid(
                "resource.address", wanted["address"], "It is not of the lab's public ranges."
            )
        if str(address) in external.taken(write):
            raise errors.address_in_use(address)
    elif any(body["address"] == str(address) for _, body in write.all("addresses")):
        raise errors.address_in_use(address)
    return {**own, "address": str(address)}


def _users(view: View, body: Body) -> Iterator[Body]:
    if body["addressType"] == "EXTERNAL":
        for address, instance in external.of_instances(view):
            if address == body["address"]:
                yield instance
        return
    for _, instance in view.all("instances"):
        if _primary_of(instance, body["subnetwork"], body["address"]):
            yield instance


def _remove(write: Write, ref: Ref, body: Body) -> None:
    refuse_in_use("address", ref, write.project, _users(write, body))


def _show(view: View, body: Body) -> Body:
    users = [user["selfLink"] for user in _users(view, body)]
    if not users:
        return {**body, "status": "RESERVED"}
    return {**body, "status": "IN_USE", "users": users}


def _set_labels(write: Write, ref: Ref, body: Body, wanted: Body, query: Query) -> Body:
    labels.refuse_stale(wanted.get("labelFingerprint"), body["labelFingerprint"])
    own = {key: value for key, value in body.items() if key != "labels"}
    kept = wanted.get("labels")
    return _signed({**own, **({"labels": kept} if kept else {})})


KIND = Kind(
    collection="addresses",
    noun="address",
    scopes=("regions", GLOBAL),
    message=MESSAGE,
    create=_create,
    remove=_remove,
    show=_show,
    actions={"setLabels": Action(_set_labels, message(strings="labelFingerprint", labels=MapOf()))},
    questions=permissions.TEST,
)

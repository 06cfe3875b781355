"""Public addresses: who has which, and which are free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.cloud.api import errors, ranges
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.links import PROJECTS, Ref, last, region_of
from gkelab.cloud.api.store import View

USUAL_TIER = "PREMIUM"


def tier(view: View) -> str:
    """The network tier of an address for which none is said: the project's."""
    project = view.get(Ref(PROJECTS, "", view.project))
    return str(project["defaultNetworkTier"]) if project else USUAL_TIER


def of_instances(view: View) -> Iterator[tuple[str, Body]]:
    """External addresses that instances have, with the instance."""
    for _, instance in view.all("instances"):
        for nic in instance["networkInterfaces"]:
            for config in nic.get("accessConfigs", ()):
                yield config["natIP"], instance


def taken(view: View) -> set[str]:
    """Every external address that is reserved or in use."""
    found = {address for address, _ in of_instances(view)}
    for _, body in view.all("addresses"):
        if body["addressType"] == "EXTERNAL":
            found.add(body["address"])
    return found


def free(view: View, pools: Sequence[IPv4Network], kept: Iterable[str] = ()) -> str:
    """The lowest free address of the lab's public ranges."""
    used = [IPv4Network(address) for address in (*taken(view), *kept)]
    block = ipam.pick_free(32, pools, used)
    if block is None:
        raise errors.addresses_exhausted("external", ", ".join(map(str, pools)) or "none")
    return str(block[0])


def reserved(view: View, scope: str, value: str, field: str, kept: Iterable[str] = ()) -> str:
    """An external address that is reserved in that region and that no instance has."""
    address = str(ranges.address_of(value, field))
    for ref, body in view.all("addresses"):
        if ref.scope == scope and body["address"] == address:
            break
    else:
        region = last(scope)
        raise errors.invalid(
            field,
            value,
            f"The specified external IP address '{value}' was not found in region '{region}'.",
        )
    if address in kept or any(address == other for other, _ in of_instances(view)):
        raise errors.address_in_use(address)
    return address


def holder(view: View, address: str, scope: str) -> Body | None:
    """The instance of that region that has the external address."""
    for other, instance in of_instances(view):
        if other == address and f"regions/{region_of(last(instance['zone']))}" == scope:
            return instance
    return None

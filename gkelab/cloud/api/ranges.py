"""Address ranges of a VPC: reading them, keeping them apart, finding free ones."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from gkelab import ipam
from gkelab.cloud.api import errors
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.links import Ref, last
from gkelab.cloud.api.store import View

# What no subnet may touch (docs vpc/docs/subnets, "Prohibited IPv4 subnet ranges").
PROHIBITED = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
        *("199.36.153.4/30", "199.36.153.8/30"),
    )
)
LARGEST_SUBNET = 4


def network_of(
    value: str, field: str, why: str = "Must be a valid IPV4 CIDR address range."
) -> IPv4Network:
    """The range that a client gave, or one address. ComputeError unless it is one."""
    try:
        return IPv4Network(value)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise errors.invalid(field, value, why) from None


def address_of(value: str, field: str) -> IPv4Address:
    """The address that a client gave. ComputeError unless it is one."""
    try:
        return IPv4Address(value)
    except AddressValueError:
        raise errors.invalid(field, value, "Must be a valid IPV4 address.") from None


def subnet_range(value: str, field: str) -> IPv4Network:
    """A primary or secondary range that a subnet may have."""
    network = network_of(value, field, "Must be a valid CIDR, with no host bits set.")
    if "/" not in value or not LARGEST_SUBNET <= network.prefixlen <= ipam.SMALLEST_SUBNET:
        raise errors.invalid(
            field,
            value,
            f"Invalid IPCidrRange: {value} must have a prefix length of {LARGEST_SUBNET} to "
            f"{ipam.SMALLEST_SUBNET}.",
        )
    for other in PROHIBITED:
        if network.overlaps(other):
            raise errors.invalid(
                field, value, f"Invalid IPCidrRange: {value} overlaps the reserved range {other}."
            )
    return network


def subnets_of(view: View, network: str) -> Iterator[tuple[Ref, Body]]:
    """The subnets of a network, by its self link."""
    return ((ref, body) for ref, body in view.all("subnetworks") if body["network"] == network)


def own_ranges(subnet: Body) -> Iterator[tuple[str, IPv4Network]]:
    """A subnet's ranges: the primary one under "", the secondary ones by name."""
    yield "", IPv4Network(subnet["ipCidrRange"])
    for item in subnet.get("secondaryIpRanges", ()):
        yield item["rangeName"], IPv4Network(item["ipCidrRange"])


def refuse_conflict(
    view: View, network_link: str, field: str, wanted: IPv4Network, *, but: tuple[Ref, str]
) -> None:
    """Raise when a range meets another of the VPC, or would hide a route; `but` is the place of
    the range itself: its subnet, and its name there."""
    for ref, subnet in subnets_of(view, network_link):
        for name, network in own_ranges(subnet):
            if (ref, name) != but and network.overlaps(wanted):
                raise errors.invalid(
                    field,
                    str(wanted),
                    f"Invalid IPCidrRange: {wanted} conflicts with existing subnetwork "
                    f"'{ref.name}' in region '{last(ref.scope)}'.",
                )
    for ref, route in view.all("routes"):
        made_by_hand = route["network"] == network_link and "nextHopNetwork" not in route
        if made_by_hand and IPv4Network(route["destRange"]).subnet_of(wanted):
            raise errors.invalid(
                field,
                str(wanted),
                f"Invalid IPCidrRange: {wanted} conflicts with the destination of the existing "
                f"route '{ref.name}'.",
            )


def taken(view: View, subnet_link: str, *, but: Ref | None = None) -> Iterator[IPv4Network]:
    """What instances and reserved addresses have of a subnet's ranges; `but` is left out."""
    for ref, instance in view.all("instances"):
        for nic in instance["networkInterfaces"] if ref != but else ():
            if nic["subnetwork"] == subnet_link:
                yield from nic_networks(nic)
    for ref, address in view.all("addresses"):
        if ref != but and address.get("subnetwork") == subnet_link:
            yield IPv4Network(address["address"])


def nic_networks(nic: Body) -> Iterator[IPv4Network]:
    """What a network interface has: its primary address and its alias ranges."""
    yield IPv4Network(nic["networkIP"])
    for alias in nic.get("aliasIpRanges", ()):
        yield IPv4Network(alias["ipCidrRange"])


def free_address(subnet: Body, used: Iterator[IPv4Network]) -> IPv4Address:
    """The lowest address of a subnet that nobody has."""
    primary = IPv4Network(subnet["ipCidrRange"])
    address = next(ipam.assignable_addresses(primary, used), None)
    if address is None:
        raise errors.addresses_exhausted(_path(subnet), primary)
    return address


def free_block(
    subnet: Body, whole: IPv4Network, prefixlen: int, used: Iterator[IPv4Network]
) -> IPv4Network:
    """The lowest block of that size in one of a subnet's ranges."""
    kept = [*used]
    if whole == IPv4Network(subnet["ipCidrRange"]):
        kept += (IPv4Network(address) for address in ipam.reserved_addresses(whole))
    block = ipam.pick_free(prefixlen, (whole,), kept)
    if block is None:
        raise errors.addresses_exhausted(_path(subnet), whole)
    return block


def _path(subnet: Body) -> str:
    return str(subnet["selfLink"]).partition("/compute/v1/")[2]

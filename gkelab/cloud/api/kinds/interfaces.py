"""Network interfaces of instances: their addresses, alias ranges and external addresses."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.cloud.api import errors, external, ranges
from gkelab.cloud.api.fields import Body, ListOf, message
from gkelab.cloud.api.kinds import places, subnetworks
from gkelab.cloud.api.kinds.base import fingerprint, linked
from gkelab.cloud.api.links import Ref, last, region_of
from gkelab.cloud.api.store import Write

ALIAS = message(strings="ipCidrRange subnetworkRangeName")
ACCESS = message(
    strings="type name natIP networkTier",
    output="securityPolicy",
    absent="setPublicPtr publicPtrDomainName externalIpv6 externalIpv6PrefixLength",
)
NIC = message(
    strings="network subnetwork networkIP name nicType fingerprint stackType",
    ints="queueCount",
    output="enableVpcScopedDns serviceClassId",
    absent="ipv6Address ipv6AccessConfigs ipv6AccessType internalIpv6PrefixLength"
    " networkAttachment aliasIpv6Ranges vlan parentNicName igmpQuery",
    aliasIpRanges=ListOf(ALIAS),
    accessConfigs=ListOf(ACCESS),
)
MOST_INTERFACES = 8
MOST_ALIASES = 100
EXTERNAL_NAME = "External NAT"


def make(write: Write, ref: Ref, wanted: list[Body]) -> list[Body]:
    """The interfaces of a new instance, with what is left out filled in."""
    if not wanted:
        raise errors.bad_request("At least one network interface is required.")
    if len(wanted) > MOST_INTERFACES:
        raise errors.bad_request(f"At most {MOST_INTERFACES} network interfaces are possible.")
    made: list[Body] = []
    for index, nic in enumerate(wanted):
        path = f"resource.networkInterfaces[{index}]"
        one = _make_one(write, ref, nic, path, made)
        if one["network"] in [other["network"] for other in made]:
            raise errors.invalid(
                f"{path}.network", one["network"], "Each interface must be on another network."
            )
        made.append(one)
    return made


def _make_one(write: Write, ref: Ref, nic: Body, path: str, siblings: list[Body]) -> Body:
    if nic.get("stackType", "IPV4_ONLY") != "IPV4_ONLY":
        raise errors.invalid(
            f"{path}.stackType", nic["stackType"], "The local cloud serves IPV4_ONLY alone."
        )
    subnet = _subnet(write, ref, nic, path)
    primary = IPv4Network(subnet["ipCidrRange"])
    used = list(ranges.taken(write, subnet["selfLink"]))
    if "networkIP" in nic:
        address = ranges.address_of(nic["networkIP"], f"{path}.networkIP")
        if address not in primary or address in ipam.reserved_addresses(primary):
            raise errors.invalid(
                f"{path}.networkIP",
                nic["networkIP"],
                f"IP address must be a usable one of the subnetwork's range {primary}.",
            )
        others = _but_reserved(write, subnet["selfLink"], used, str(address))
        if any(address in network for network in others):
            raise errors.address_in_use(address)
    else:
        address = ranges.free_address(subnet, iter(used))
    own: Body = {
        "network": subnet["network"],
        "subnetwork": subnet["selfLink"],
        "networkIP": str(address),
        "name": f"nic{len(siblings)}",
        "stackType": "IPV4_ONLY",
        **{key: nic[key] for key in ("nicType", "queueCount") if key in nic},
    }
    used.append(IPv4Network(address))
    aliases = make_aliases(subnet, nic.get("aliasIpRanges", []), used, path)
    configs = [
        make_access(write, ref, config, f"{path}.accessConfigs[{i}]", siblings)
        for i, config in enumerate(nic.get("accessConfigs", []))
    ]
    if len(configs) > 1:
        raise errors.invalid(f"{path}.accessConfigs", configs, "At most one is possible.")
    return signed(
        {
            **own,
            **({"aliasIpRanges": aliases} if aliases else {}),
            **({"accessConfigs": configs} if configs else {}),
        }
    )


def _but_reserved(
    write: Write, subnet: str, used: list[IPv4Network], address: str
) -> list[IPv4Network]:
    """What is used, without the one reservation of that address, which an instance may take."""
    reserved = [
        body
        for _, body in write.all("addresses")
        if body.get("subnetwork") == subnet and body["address"] == address
    ]
    left = list(used)
    if reserved:
        left.remove(IPv4Network(address))
    return left


def signed(nic: Body) -> Body:
    """An interface with the fingerprint of what it is."""
    own = {key: value for key, value in nic.items() if key not in ("kind", "fingerprint")}
    return {"kind": "compute#networkInterface", **own, "fingerprint": fingerprint(own)}


def _subnet(write: Write, ref: Ref, nic: Body, path: str) -> Body:
    """The subnet that an interface is in: as said, or the network's in the zone's region."""
    region = region_of(last(ref.scope))
    network = None
    if "network" in nic or "subnetwork" not in nic:
        given = nic.get("network", f"global/networks/{places.DEFAULT_NETWORK}")
        _, network = linked(write, f"{path}.network", given, "networks", missing="invalid")
    if "subnetwork" not in nic:
        assert network
        return _usual_subnet(write, network, region, path)
    field, value = f"{path}.subnetwork", nic["subnetwork"]
    place, subnet = linked(write, field, value, "subnetworks", missing="invalid")
    if place.scope != f"regions/{region}":
        raise errors.invalid(
            field,
            value,
            "Scope of the specified subnetwork doesn't match the scope of the instance.",
        )
    if network and subnet["network"] != network["selfLink"]:
        raise errors.bad_request(
            f'Subnetwork "{place.path(write.project)}" is not valid for Network '
            f'"{network["name"]}".'
        )
    return subnet


def _usual_subnet(write: Write, network: Body, region: str, path: str) -> Body:
    """The subnet of the region that is meant where none is said: that of auto mode, else the
    oldest. Google's default network is of auto mode and has one in every region (docs
    vpc/docs/vpc, "Default network"); the lab's is of custom mode, so there a region gets its own
    when it is first asked for."""
    auto = network["autoCreateSubnetworks"]
    if not auto and network["name"] != places.DEFAULT_NETWORK:
        raise _unspecified(network, path)
    found = [
        (not places.is_auto(ref, subnet, network), subnet["creationTimestamp"], ref, subnet)
        for ref, subnet in ranges.subnets_of(write, network["selfLink"])
        if ref.scope == f"regions/{region}"
    ]
    if found:
        return min(found, key=lambda one: one[:3])[-1]
    try:
        return subnetworks.add_auto(write, network, region)
    except errors.ComputeError:
        # Its name or its range is another's, which only a network of custom mode allows.
        raise _unspecified(network, path) from None


def _unspecified(network: Body, path: str) -> errors.ComputeError:
    return errors.invalid(
        path,
        {"network": network["selfLink"]},
        "Subnetwork should be specified for custom subnetmode network",
    )


def make_aliases(
    subnet: Body, wanted: list[Body], used: list[IPv4Network], path: str
) -> list[Body]:
    """Alias ranges as asked: networks, addresses, or sizes alone (/24), for which a free block
    is found. `used` grows by them."""
    if len(wanted) > MOST_ALIASES:
        raise errors.invalid(f"{path}.aliasIpRanges", "", f"At most {MOST_ALIASES} are possible.")
    ranges_by_name = dict(ranges.own_ranges(subnet))
    made = []
    # Those that say where they want to be come first.
    order = sorted(range(len(wanted)), key=lambda i: _is_size(wanted[i]))
    for index in order:
        alias, where = wanted[index], f"{path}.aliasIpRanges[{index}]"
        name = alias.get("subnetworkRangeName", "")
        if name not in ranges_by_name:
            raise errors.invalid(
                f"{where}.subnetworkRangeName",
                name,
                f"Subnetwork '{subnet['name']}' has no secondary range of that name.",
            )
        network = _alias(subnet, alias, ranges_by_name[name], used, f"{where}.ipCidrRange")
        used.append(network)
        told = {"ipCidrRange": str(network)}
        made.append((index, {**told, **({"subnetworkRangeName": name} if name else {})}))
    return [alias for _, alias in sorted(made, key=lambda pair: pair[0])]


def _is_size(alias: Body) -> bool:
    return str(alias.get("ipCidrRange", "")).startswith("/")


def _alias(
    subnet: Body, alias: Body, whole: IPv4Network, used: list[IPv4Network], field: str
) -> IPv4Network:
    if "ipCidrRange" not in alias:
        raise errors.required(field)
    value = alias["ipCidrRange"]
    if _is_size(alias):
        size = value[1:]
        if not re.fullmatch(r"[0-9]{1,2}", size) or not whole.prefixlen <= int(size) <= 32:
            raise errors.invalid(
                field, value, f"Alias IP CIDR range must be a netmask of {whole}'s size or longer."
            )
        return ranges.free_block(subnet, whole, int(size), iter(used))
    network = ranges.network_of(
        value, field, "Alias IP range must be a valid CIDR, with no host bits set."
    )
    reserved = ipam.reserved_addresses(IPv4Network(subnet["ipCidrRange"]))
    if not network.subnet_of(whole) or any(address in network for address in reserved):
        raise errors.invalid(
            field, value, f"Alias IP range must be within the subnetwork's range {whole}."
        )
    if any(network.overlaps(other) for other in used):
        raise errors.address_in_use(network)
    return network


def make_access(
    write: Write, ref: Ref, config: Body, path: str, siblings: list[Body], *, had: str = ""
) -> Body:
    """An external address of an interface: a reserved one, one of its own, or that which it had
    before."""
    if config.get("type", "ONE_TO_ONE_NAT") != "ONE_TO_ONE_NAT":
        raise errors.invalid(f"{path}.type", config["type"], "Must be ONE_TO_ONE_NAT.")
    scope = f"regions/{region_of(last(ref.scope))}"
    kept = [c["natIP"] for nic in siblings for c in nic.get("accessConfigs", [])]
    if had and config.get("natIP") == had:
        address = had
    elif config.get("natIP"):
        address = external.reserved(write, scope, config["natIP"], f"{path}.natIP", kept)
    else:
        address = external.free(write, write.settings.external, kept)
    return {
        "kind": "compute#accessConfig",
        "type": "ONE_TO_ONE_NAT",
        "name": config.get("name", EXTERNAL_NAME),
        "natIP": address,
        "networkTier": config.get("networkTier", external.tier(write)),
    }

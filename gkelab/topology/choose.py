"""From a declared topology to a plan, given what the host already uses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab import ipam
from gkelab.errors import LabError
from gkelab.topology.fields import Size
from gkelab.topology.lab import ResolvedTopology
from gkelab.topology.model import Topology
from gkelab.topology.problem import Problem, refuse
from gkelab.topology.ranges import RESERVED_RANGES, declared_networks, secondary_field

# Routes up to this prefix length are ways to everywhere (a VPN halves the default route into two
# of /1): what is more specific wins over them.
_DEFAULT_ROUTE = 1


@dataclass(frozen=True)
class Claim:
    """A network that something else on this host uses; `owner` as in "docker network bridge"."""

    network: IPv4Network
    owner: str


@dataclass(frozen=True)
class _Wanted:
    """A range declared by its size: its key in `chosen`, its field's path, its size."""

    key: str
    field: str
    prefixlen: int


def resolve(
    topology: Topology,
    taken: Sequence[Claim] = (),
    previous: Mapping[str, str] | None = None,
) -> ResolvedTopology:
    """Give every range declared by size a network, and lay out the whole plan.

    Deterministic. `taken` is what the host uses besides this lab: the lab's own networks and
    routes must not be in it. `previous` is what was chosen before ("subnet/rangeName" to CIDR);
    each of it that still fits is used again. LabError if a declared range overlaps a claim
    (names field, both ranges and the owner), or if no range is free.
    """
    claims = [claim for claim in taken if claim.network.prefixlen > _DEFAULT_ROUTE]
    refuse(topology.source, _conflicts(topology, claims))
    avoided = [
        *(network for _, network in declared_networks(topology)),
        *(network for _, network in RESERVED_RANGES),
        *(claim.network for claim in claims),
    ]
    wanted = list(_wanted(topology))
    chosen: dict[str, IPv4Network] = {}
    for want in wanted:
        kept = _still_fits((previous or {}).get(want.key), want, avoided)
        if kept:
            chosen[want.key] = kept
            avoided.append(kept)
    for want in wanted:
        if want.key not in chosen:
            # From the bottom, so that 10.128.0.0/9, where subnets' primary ranges are, comes last
            # of 10.0.0.0/8.
            network = ipam.pick_free(want.prefixlen, ipam.RFC1918, avoided)
            if network is None:
                raise _nothing_free(topology, want, claims)
            chosen[want.key] = network
            avoided.append(network)
    return ResolvedTopology.of(topology, {want.key: chosen[want.key] for want in wanted})


def _conflicts(topology: Topology, claims: Sequence[Claim]) -> Iterator[Problem]:
    for field, network in declared_networks(topology):
        for claim in claims:
            if network.overlaps(claim.network):
                yield Problem(
                    field,
                    f"{network} overlaps {claim.owner} {claim.network}",
                    "choose another range in the file, or remove the other from this host",
                )
    for network in ipam.HEALTH_CHECK_RANGES:
        for claim in claims:
            if network.overlaps(claim.network):
                yield Problem(
                    "Google's health-check range",
                    f"{network} overlaps {claim.owner} {claim.network}",
                    "remove the other from this host: the range cannot be chosen",
                )


def _wanted(topology: Topology) -> Iterator[_Wanted]:
    for place, subnet in enumerate(topology.network.subnets):
        for index, secondary in enumerate(subnet.secondary_ip_ranges):
            if isinstance(secondary.ip_cidr_range, Size):
                yield _Wanted(
                    f"{subnet.name}/{secondary.range_name}",
                    secondary_field(place, index),
                    secondary.ip_cidr_range.prefixlen,
                )


def _still_fits(
    recorded: str | None, want: _Wanted, avoided: Sequence[IPv4Network]
) -> IPv4Network | None:
    if recorded is None:
        return None
    try:
        network = IPv4Network(recorded)
    except ValueError:
        return None
    if network.prefixlen != want.prefixlen or any(network.overlaps(n) for n in avoided):
        return None
    return network


def _nothing_free(topology: Topology, want: _Wanted, claims: Sequence[Claim]) -> LabError:
    owners = ", ".join(f"{claim.owner} {claim.network}" for claim in claims[:3])
    beside = f" and {owners}" if owners else ""
    more = f" and {len(claims) - 3} others" if len(claims) > 3 else ""
    return LabError(
        f"{topology.source}: {want.field} /{want.prefixlen} finds no free range in "
        f"{', '.join(map(str, ipam.RFC1918))} beside the file's own ranges{beside}{more}",
        "Give a smaller size, or a network outside these",
    )

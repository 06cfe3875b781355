"""What a topology says of the VPC beside its subnets: VMs, firewall rules, ways to elsewhere.

The words are Compute's (v1 API: instances, firewalls); what Compute has no word for is the lab's.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gkelab.topology.fields import (
    Address,
    AliasRange,
    MachineType,
    Network,
    NetworkOrAddress,
    Region,
    ResourceName,
    Spec,
    Time,
    Zone,
    as_tuple,
    refusal,
)

# Firewalls' protocols by name (docs firewall/docs/firewalls); any other by its number.
PROTOCOLS = ("tcp", "udp", "icmp", "esp", "ah", "sctp", "ipip", "all")
# Those that have ports, also by their numbers.
WITH_PORTS = ("tcp", "udp", "sctp", "6", "17", "132")
USUAL_PRIORITY, LOWEST_PRIORITY = 1000, 65535


def _protocol(value: str) -> str:
    number = re.fullmatch(r"[0-9]{1,3}", value) and int(value) <= 255
    if value not in PROTOCOLS and not number:
        raise refusal(f"is {value!r}, not a protocol", f"use one of {', '.join(PROTOCOLS)}")
    return value


def _port(value: str) -> str:
    first, dash, second = value.partition("-")
    numbers = [first, second] if dash else [first]
    good = all(re.fullmatch(r"[0-9]{1,5}", number) and int(number) <= 65535 for number in numbers)
    if not good or int(numbers[0]) > int(numbers[-1]):
        raise refusal(f"is {value!r}, not a port or a range of ports", "write it as 80 or 80-90")
    return value


_Ranges = Annotated[tuple[NetworkOrAddress, ...], BeforeValidator(as_tuple)]
_SourceTags = Annotated[tuple[ResourceName, ...], BeforeValidator(as_tuple), Field(max_length=30)]
_TargetTags = Annotated[tuple[ResourceName, ...], BeforeValidator(as_tuple), Field(max_length=70)]


class AliasIpRangeSpec(Spec):
    """An alias range of a VM: a network, an address or a size, in a secondary range of its
    subnet or, without a name, in the primary one."""

    subnetwork_range_name: ResourceName | None = None
    ip_cidr_range: AliasRange


class VmSpec(Spec):
    """A VM: a plain host on a subnet. `public` gives it an address outside of the VPC, as an
    access config does."""

    name: ResourceName
    zone: Zone
    subnetwork: ResourceName
    machine_type: MachineType = "e2-medium"
    network_ip: Annotated[Address | None, Field(alias="networkIP")] = None
    alias_ip_ranges: Annotated[tuple[AliasIpRangeSpec, ...], BeforeValidator(as_tuple)] = ()
    tags: Annotated[tuple[ResourceName, ...], BeforeValidator(as_tuple), Field(max_length=64)] = ()
    can_ip_forward: bool = False
    public: bool = False

    @property
    def region(self) -> str:
        """The zone's region."""
        return self.zone.rpartition("-")[0]


class FirewallProtocolSpec(Spec):
    """A protocol that a rule is for, with its ports; none are all."""

    ip_protocol: Annotated[str, AfterValidator(_protocol), Field(alias="IPProtocol")]
    ports: Annotated[
        tuple[Annotated[str, AfterValidator(_port)], ...], BeforeValidator(as_tuple)
    ] = ()


class LogConfigSpec(Spec):
    """Whether a rule's decisions are logged, and with how much of what is known."""

    enable: bool
    metadata: Literal["INCLUDE_ALL_METADATA", "EXCLUDE_ALL_METADATA"] | None = None


class FirewallSpec(Spec):
    """A firewall rule of the network, as the body of Compute's firewalls."""

    name: ResourceName
    description: str = ""
    direction: Literal["INGRESS", "EGRESS"] = "INGRESS"
    priority: Annotated[int, Field(ge=0, le=LOWEST_PRIORITY)] = USUAL_PRIORITY
    source_ranges: _Ranges = ()
    source_tags: _SourceTags = ()
    destination_ranges: _Ranges = ()
    target_tags: _TargetTags = ()
    allowed: Annotated[tuple[FirewallProtocolSpec, ...], BeforeValidator(as_tuple)] = ()
    denied: Annotated[tuple[FirewallProtocolSpec, ...], BeforeValidator(as_tuple)] = ()
    disabled: bool = False
    log_config: LogConfigSpec | None = None

    def body(self) -> dict[str, Any]:
        """What was declared, in Compute's JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class LatencySpec(Spec):
    """How long packets take between two regions, there and back."""

    between: Annotated[tuple[Region, ...], BeforeValidator(as_tuple)]
    round_trip: Time


class InternetSpec(Spec):
    """The network that stands for the internet: who is there reaches only what is public."""

    range: Network

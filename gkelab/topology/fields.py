"""The types of a topology's fields: what each may be, and in which words it is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gkelab import ipam

# Sizes that a secondary range can have when it is given as a size alone, and those that an alias
# range of a VM can have.
_SIZES = range(8, 30)
_ALIAS_SIZES = range(8, 33)


@dataclass(frozen=True)
class Size:
    """A range given by its size alone, as gcloud takes it: `/20`. `resolve` finds a network."""

    prefixlen: int

    def __str__(self) -> str:
        return f"/{self.prefixlen}"


@dataclass(frozen=True)
class Duration:
    """A time as netem takes it: `100ms`, `0.5ms`."""

    microseconds: int

    def __str__(self) -> str:
        whole, rest = divmod(self.microseconds, 1000)
        return f"{whole}.{rest:03d}".rstrip("0").rstrip(".") + "ms" if rest else f"{whole}ms"


def refusal(what: str, remedy: str) -> PydanticCustomError:
    """An error for a validator to raise: `what` follows the field's path in the sentence."""
    return PydanticCustomError("refused", "{what}", {"what": what, "remedy": remedy})


def _network(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    if not isinstance(value, str) or "/" not in value:
        raise refusal(f"is {value!r}, not a network", "write it as 10.0.0.0/20")
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        raise refusal(f"is {value!r}, not a network", "write it as 10.0.0.0/20") from None
    if isinstance(network, IPv6Network):
        raise refusal(f"is {value}, an IPv6 network", "use an IPv4 network")
    address, _, prefixlen = value.partition("/")
    if address != str(network[0]):
        raise refusal(f"is {value}, which has host bits set", f"write {network}")
    if prefixlen != str(network.prefixlen):
        raise refusal(f"is {value!r}, not a network with a prefix length", f"write {network}")
    return network


def _network_or_address(value: object) -> IPv4Network:
    """As in firewalls and alias ranges, where one address stands for a /32."""
    try:
        return IPv4Network(IPv4Address(value)) if isinstance(value, str) else _network(value)
    except AddressValueError:
        return _network(value)


def _address(value: object) -> IPv4Address:
    if isinstance(value, IPv4Address):
        return value
    try:
        if isinstance(value, str):
            return IPv4Address(value)
    except AddressValueError:
        pass
    raise refusal(f"is {value!r}, not an IPv4 address", "write it as 10.128.0.100")


def _or_size(read: Callable[[object], IPv4Network], sizes: range) -> Callable[[object], object]:
    def check(value: object) -> IPv4Network | Size:
        if isinstance(value, Size):
            return value
        if not isinstance(value, str) or not re.fullmatch(r"/[0-9]{1,4}", value):
            return read(value)
        size = int(value[1:])
        if size not in sizes:
            raise refusal(
                f"is {value}, outside /{sizes[0]} to /{sizes[-1]}",
                f"choose a size from /{sizes[0]} to /{sizes[-1]}",
            )
        return Size(size)

    return check


def _duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    found = re.fullmatch(r"([0-9]{1,5})(?:\.([0-9]{1,3}))?ms", str(value))
    if not isinstance(value, str) or not found:
        raise refusal(f"is {value!r}, not a time in milliseconds", "write it as 100ms")
    time = Duration(int(found[1]) * 1000 + int((found[2] or "0").ljust(3, "0")))
    if not 0 < time.microseconds <= _LONGEST * 1000:
        raise refusal(
            f"is {value}, outside what is more than 0 and at most {_LONGEST}ms",
            "choose a time within these",
        )
    return time


def _name(longest: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", value) or len(value) > longest:
            raise refusal(
                f"is {value!r}, not a name of at most {longest} lower-case letters, digits and "
                "hyphens that starts with a letter",
                "choose such a name",
            )
        return value

    return check


def _matching(pattern: str, kind: str, example: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise refusal(f"is {value!r}, not {kind}", f"write it as {example}")
        return value

    return check


def _max_pods(value: int) -> int:
    if not ipam.MIN_PODS_PER_NODE <= value <= ipam.MAX_PODS_PER_NODE:
        raise refusal(
            f"is {value}, outside GKE's {ipam.MIN_PODS_PER_NODE} to {ipam.MAX_PODS_PER_NODE}",
            "choose a number of pods within these",
        )
    return value


def as_tuple(value: object) -> object:
    """A list as a tuple, for what is frozen."""
    return tuple(value) if isinstance(value, list) else value


_REGION = r"[a-z]+-[a-z]+[0-9]+"
_LONGEST = 10_000  # milliseconds: more, and TCP gives up

Network = Annotated[IPv4Network, PlainValidator(_network), PlainSerializer(str)]
NetworkOrSize = Annotated[
    IPv4Network | Size, PlainValidator(_or_size(_network, _SIZES)), PlainSerializer(str)
]
NetworkOrAddress = Annotated[IPv4Network, PlainValidator(_network_or_address), PlainSerializer(str)]
AliasRange = Annotated[
    IPv4Network | Size,
    PlainValidator(_or_size(_network_or_address, _ALIAS_SIZES)),
    PlainSerializer(str),
]
Address = Annotated[IPv4Address, PlainValidator(_address), PlainSerializer(str)]
Time = Annotated[Duration, PlainValidator(_duration), PlainSerializer(str)]
# A lab's name goes into the names of containers, a cluster's into those of its nodes.
LabName = Annotated[str, AfterValidator(_name(20))]
ClusterName = Annotated[str, AfterValidator(_name(40))]
ResourceName = Annotated[str, AfterValidator(_name(63))]
ProjectId = Annotated[
    str,
    AfterValidator(_matching(r"[a-z][-a-z0-9]{4,28}[a-z0-9]", "a project id", "my-project-1")),
]
Region = Annotated[str, AfterValidator(_matching(_REGION, "a region", "us-central1"))]
Zone = Annotated[str, AfterValidator(_matching(_REGION + "-[a-z]", "a zone", "us-central1-a"))]
Location = Annotated[
    str,
    AfterValidator(
        _matching(_REGION + "(-[a-z])?", "a region or a zone", "us-central1 or us-central1-a")
    ),
]
MachineType = Annotated[
    str, AfterValidator(_matching(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type", "e2-medium"))
]
MaxPods = Annotated[int, AfterValidator(_max_pods)]


class Spec(BaseModel):
    """A mapping of a topology file: its keys are camelCase, and no others are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)

"""What the router is told when it starts: what no Compute resource says."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab.errors import LabError


@dataclass(frozen=True)
class PoolSetting:
    """Load balancers' addresses, the subnet's name, and the tag of who serves them."""

    range: IPv4Network
    subnet: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> PoolSetting:
        """CIDR=SUBNET=TAG. LabError unless it is that."""
        words = text.split("=")
        if len(words) != 3 or not all(words):
            raise LabError(f"{text!r} is no pool", "give CIDR=SUBNET=TAG")
        return cls(network(words[0]), words[1], words[2])


@dataclass(frozen=True)
class Latency:
    """Between two regions, there and back, in milliseconds: each way takes half of it."""

    regions: tuple[str, str]
    milliseconds: float

    @classmethod
    def parse(cls, text: str) -> Latency:
        """REGION:REGION=MS. LabError unless it is that."""
        pair, _, number = text.partition("=")
        regions = tuple(pair.split(":"))
        try:
            milliseconds = float(number)
        except ValueError:
            milliseconds = -1.0
        if len(regions) != 2 or not all(regions) or not 0 <= milliseconds <= 60_000:
            raise LabError(f"{text!r} is no latency", "give REGION:REGION=MILLISECONDS")
        return cls((regions[0], regions[1]), milliseconds)


@dataclass(frozen=True)
class Settings:
    """All of it. `made_up` are ranges that must never be routed anywhere, beside those that the
    state has; `project` is "" where any will do."""

    project: str = ""
    internet: IPv4Network | None = None
    pools: tuple[PoolSetting, ...] = ()
    made_up: tuple[IPv4Network, ...] = ()
    latencies: tuple[Latency, ...] = ()


def network(text: str) -> IPv4Network:
    """A range. LabError unless it is one."""
    try:
        return IPv4Network(text)
    except ValueError as bad:
        raise LabError(f"{text!r} is no range of addresses ({bad})", "give a CIDR") from None

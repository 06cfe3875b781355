"""How far regions are from each other: netem on the interfaces that lead to them; where the kernel
has none, queues in which the agent lets packets wait.

A packet to another region is held up on its way out, by where it came from, for half of the time
there and back; its answer for the other half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from gkelab.cloud.router.compile import Interfaces
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.settings import Latency

# Packets that may be on their way at once: 100 ms of 10 Gbit/s in full frames.
IN_FLIGHT = 100_000
# The most bands of a prio qdisc (tc-prio(8)), of which the first is for what is not held up.
MOST_BANDS = 16


@dataclass(frozen=True)
class Far:
    """What comes from a region to an interface's, and the milliseconds that it is held up."""

    device: str
    region: str
    delay: float
    sources: tuple[IPv4Network, ...]


def far(fabric: Fabric, interfaces: Interfaces, wanted: Sequence[Latency]) -> list[Far]:
    """The ways between regions that take time; those that nothing is said of take none."""
    return [
        Far(device, region, milliseconds / 2, tuple(_ranges(fabric, region)))
        for subnet in fabric.subnets
        if (device := interfaces.subnets.get(subnet.link)) is not None
        for region, milliseconds in sorted(_others(subnet.region, wanted))[: MOST_BANDS - 1]
    ]


def netem(ways: Sequence[Far]) -> list[str]:
    """What `tc -batch` must do."""
    return list(_netem(ways))


def _netem(ways: Sequence[Far]) -> Iterator[str]:
    for device in dict.fromkeys(way.device for way in ways):
        bands = dict(enumerate((way for way in ways if way.device == device), start=2))
        count = max(3, len(bands) + 1)
        # Whatever no filter sends to another band goes out at once.
        priorities = " ".join(["0"] * 16)
        yield f"qdisc replace dev {device} root handle 1: prio bands {count} priomap {priorities}"
        for band, way in bands.items():
            yield (
                f"qdisc replace dev {device} parent 1:{band} handle {band}0: "
                f"netem delay {way.delay:g}ms limit {IN_FLIGHT}"
            )
            for network in way.sources:
                yield (
                    f"filter add dev {device} parent 1: protocol ip prio 1 u32 "
                    f"match ip src {network} flowid 1:{band}"
                )


def queues(ways: Sequence[Far]) -> dict[float, int]:
    """The number of the queue for each delay, in milliseconds."""
    return {delay: number for number, delay in enumerate(sorted({way.delay for way in ways}))}


def queued(ways: Sequence[Far], numbers: Mapping[float, int]) -> str:
    """The mangle table, as `iptables-restore` takes it, that sends packets to these queues, and
    lets them by where the agent does not serve those."""
    lines = (
        f"-A POSTROUTING -o {way.device} -s {network} "
        f"-j NFQUEUE --queue-num {numbers[way.delay]} --queue-bypass\n"
        for way in ways
        for network in way.sources
    )
    return "".join(["*mangle\n", *lines, "COMMIT\n"])


def _ranges(fabric: Fabric, region: str) -> Iterator[IPv4Network]:
    for subnet in fabric.subnets:
        if subnet.region == region:
            yield from (subnet.range, *subnet.secondary)


def _others(region: str, wanted: Sequence[Latency]) -> Iterator[tuple[str, float]]:
    for latency in wanted:
        if region in latency.regions and latency.milliseconds:
            one, other = latency.regions
            yield other if one == region else one, latency.milliseconds

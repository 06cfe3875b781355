"""How far regions are from each other: netem on the interfaces that lead to them.

A packet to another region is held up on its way out, by where it came from, for half of the time
there and back; its answer for the other half.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gkelab.cloud.router.compile import Interfaces
from gkelab.cloud.router.fabric import Fabric
from gkelab.cloud.router.settings import Latency

# Packets that may be on their way at once: 100 ms of 10 Gbit/s in full frames.
IN_FLIGHT = 100_000
# The most bands of a prio qdisc (tc-prio(8)), of which the first is for what is not held up.
MOST_BANDS = 16


def commands(fabric: Fabric, interfaces: Interfaces, wanted: Sequence[Latency]) -> list[str]:
    """What `tc -batch` must do; interfaces of regions that nothing is said of are left alone."""
    return list(_commands(fabric, interfaces, wanted)) if wanted else []


def _commands(fabric: Fabric, interfaces: Interfaces, wanted: Sequence[Latency]) -> Iterator[str]:
    for subnet in fabric.subnets:
        device = interfaces.subnets.get(subnet.link)
        far = dict(_far(subnet.region, wanted))
        if device is None or not far:
            continue
        bands = dict(enumerate(sorted(far)[: MOST_BANDS - 1], start=2))
        count = max(3, len(bands) + 1)
        # Whatever no filter sends to another band goes out at once.
        priorities = " ".join(["0"] * 16)
        yield f"qdisc replace dev {device} root handle 1: prio bands {count} priomap {priorities}"
        for band, region in bands.items():
            delay = far[region] / 2
            yield (
                f"qdisc replace dev {device} parent 1:{band} handle {band}0: "
                f"netem delay {delay:g}ms limit {IN_FLIGHT}"
            )
            for other in fabric.subnets:
                if other.region == region:
                    for network in (other.range, *other.secondary):
                        yield (
                            f"filter add dev {device} parent 1: protocol ip prio 1 u32 "
                            f"match ip src {network} flowid 1:{band}"
                        )


def _far(region: str, wanted: Sequence[Latency]) -> Iterator[tuple[str, float]]:
    for latency in wanted:
        if region in latency.regions and latency.milliseconds:
            one, other = latency.regions
            yield other if one == region else one, latency.milliseconds

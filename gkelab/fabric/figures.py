"""Measurements as data, and their arithmetic. Pure: seconds, bits, and ratios of medians.

A way's speed says little on a machine whose speed changes by the minute; what is compared was
measured in turns, and each turn gives a ratio.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from statistics import mean, median
from typing import Any

from gkelab.errors import LabError

GBIT = 1e9
STREAM, ASKS, CONNECTS = "throughput", "request/response", "connections"
MEASURES = (STREAM, ASKS, CONNECTS)


@dataclass(frozen=True)
class Sample:
    """One turn of one way: bits a second, or transactions a second; of a stream also the CPU
    seconds that it took a Gbit."""

    value: float
    cpu: float | None = None


@dataclass(frozen=True)
class Write:
    """A write through the API, by the monotonic clock: from `began` to `returned`. `admits` is
    whether packets pass after it."""

    began: float
    returned: float
    admits: bool


@dataclass(frozen=True)
class Fates:
    """What became of the packets. `delays` are seconds from a write's return to its being in their
    way, None where it was not before the next write. `leaked` of `denied` got through, though
    denied all the while; `lost` of `allowed` did not, though allowed."""

    delays: tuple[float | None, ...]
    denied: int
    leaked: int
    allowed: int
    lost: int


def stream_sample(text: str, idle: float) -> Sample:
    """`fabric throughput`'s answer; `idle` is how many CPUs the machine is busy with anyway."""
    told = answer(text)
    gbits = told["bits"] / GBIT
    used = max(0.0, told["busy"] - idle * told["took"])
    return Sample(told["bits"] / told["seconds"], used / gbits if gbits else None)


def ask_sample(text: str) -> Sample:
    """`fabric ask`'s answer."""
    told = answer(text)
    return Sample(told["transactions"] / told["seconds"])


def mean_of(parts: Sequence[Sample]) -> Sample:
    """The seconds of a turn as one."""
    cpus = [part.cpu for part in parts if part.cpu is not None]
    return Sample(mean(part.value for part in parts), mean(cpus) if cpus else None)


def idle_cpus(text: str) -> float:
    """`fabric quiet`'s answer: CPUs that are busy with something else."""
    told = answer(text)
    return float(told["busy"] / told["took"])


def answer(text: str) -> dict[str, Any]:
    """The JSON object on the last line. LabError when there is none."""
    lines = text.strip().splitlines()
    try:
        return dict(json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        raise LabError(f"The probe's answer cannot be read: {text.strip()[-200:]!r}") from None


def ratio(those: Sequence[float], these: Sequence[float]) -> float:
    """The median of the turns' ratios. ValueError for none, or for turns without a partner."""
    return median(a / b for a, b in zip(those, these, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, ceil(len(ranked) * percent / 100) - 1)]


def flatness(levels: Mapping[str, float]) -> float:
    """The lowest of the levels' ratios over the first one's: 1 is flat, 0.9 a tenth slower."""
    first, *rest = levels.values()
    return min((value / first for value in rest), default=1.0)


def fates(
    writes: Sequence[Write],
    times: Sequence[float],
    toggled: Sequence[int],
    denied: Sequence[int],
    allowed: Sequence[int],
) -> Fates:
    """What became of the packets sent at `times` (each in three copies), by the numbers of those
    that were received: of the flow that writes deny and admit in turns, of one that is denied all
    the while, and of one that is allowed. Only what was sent since the first write counts, and
    before the end that is a second after the last one's return."""
    if not writes:
        return Fates((), 0, 0, 0, 0)
    first, last = writes[0].began, writes[-1].returned + 1.0
    counted = {n for n, sent in enumerate(times) if first <= sent < last}
    passed = set(toggled)
    delays = []
    ends = [after.began for _, after in pairwise(writes)] + [last]
    for write, end in zip(writes, ends, strict=True):
        window = [(sent, n in passed) for n, sent in enumerate(times) if write.began <= sent < end]
        delays.append(_delay(write, window))
    leaked = len(counted & set(denied))
    arrived = len(counted & set(allowed))
    return Fates(tuple(delays), len(counted), leaked, len(counted), len(counted) - arrived)


def _delay(write: Write, window: Sequence[tuple[float, bool]]) -> float | None:
    """Seconds from the write's return until packets fare as it says: what admits from the first
    that passes, what denies from the one after the last that does."""
    if write.admits:
        changed = next((sent for sent, through in window if through), None)
    else:
        through = [i for i, (_, passes) in enumerate(window) if passes]
        after = window[through[-1] + 1 :] if through else window
        changed = after[0][0] if after else None
    return None if changed is None else max(0.0, changed - write.returned)

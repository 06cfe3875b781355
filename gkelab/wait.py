"""The one way to wait: a condition, a deadline, and the last thing seen in the error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gkelab.errors import LabError

T = TypeVar("T")


class WaitError(LabError):
    """The condition did not come true in time, or can no longer come true."""


@dataclass(frozen=True)
class Clock:
    """Where time comes from; tests give one that jumps."""

    now: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)


def until(
    observe: Callable[[], T],
    ready: Callable[[T], bool],
    *,
    what: str,
    timeout: float,
    failed: Callable[[T], str] | None = None,
    in_a_row: int = 1,
    interval: float = 0.5,
    describe: Callable[[T], str] = str,
    tolerant: bool = False,
    clock: Clock | None = None,
) -> T:
    """Observe again and again until `ready` holds `in_a_row` times; return the last observation.

    `failed` answers a reason when the wait is lost already, else an empty string. `timeout` and
    `interval` are seconds. With `tolerant`, a LabError of `observe` is an observation, too, that is
    not ready. Raises WaitError, whose sentence ends with the last observation.
    """
    clock = clock or Clock()
    start = clock.now()
    streak = 0
    while True:
        try:
            seen = observe()
        except LabError as error:
            if not tolerant:
                raise
            streak, last = 0, error.message
        else:
            streak = streak + 1 if ready(seen) else 0
            if streak >= in_a_row:
                return seen
            reason = failed(seen) if failed else ""
            if reason:
                raise WaitError(f"{what} cannot come true: {reason}")
            last = describe(seen)
        if clock.now() - start >= timeout:
            raise WaitError(f"{what} did not come true within {timeout:g} s: {last}")
        clock.sleep(interval)

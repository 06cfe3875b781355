"""Waiting: what ends it, and what the error says; on a clock that jumps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pytest

from gkelab.errors import LabError
from gkelab.wait import Clock, WaitError, until


class FakeClock:
    """Time passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.time = 100.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def as_clock(self) -> Clock:
        return Clock(lambda: self.time, self.sleep)


def seen(values: Iterable[int]) -> Callable[[], int]:
    """These observations in turn; one too many fails the test."""
    left = iter(values)
    return lambda: next(left)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_what_is_true_already_needs_no_sleep(clock: FakeClock) -> None:
    found = until(seen([7]), lambda n: n == 7, what="seven", timeout=0, clock=clock.as_clock())
    assert (found, clock.sleeps) == (7, [])


def test_it_sleeps_the_interval_between_observations(clock: FakeClock) -> None:
    found = until(
        seen([1, 2, 3]),
        lambda n: n == 3,
        what="three",
        timeout=10,
        interval=0.25,
        clock=clock.as_clock(),
    )
    assert (found, clock.sleeps) == (3, [0.25, 0.25])


def test_the_deadline_is_an_error_that_ends_with_the_last_observation(clock: FakeClock) -> None:
    with pytest.raises(WaitError) as caught:
        until(
            seen(range(100)),
            lambda n: False,
            what="it",
            timeout=2,
            describe=lambda n: f"saw {n}",
            clock=clock.as_clock(),
        )
    assert str(caught.value) == "it did not come true within 2 s: saw 4."
    assert sum(clock.sleeps) == 2
    assert isinstance(caught.value, LabError)


def test_even_past_the_deadline_it_looks_once(clock: FakeClock) -> None:
    with pytest.raises(WaitError, match="within 0 s: 1"):
        until(seen([1]), lambda n: n > 1, what="it", timeout=0, clock=clock.as_clock())


def test_what_is_lost_ends_the_wait_at_once(clock: FakeClock) -> None:
    def failed(n: int) -> str:
        return "the pod was deleted" if n == 2 else ""

    with pytest.raises(WaitError) as caught:
        until(
            seen([1, 2]),
            lambda n: False,
            failed=failed,
            what="the pod runs",
            timeout=600,
            clock=clock.as_clock(),
        )
    assert str(caught.value) == "the pod runs cannot come true: the pod was deleted."
    assert clock.sleeps == [0.5]


def test_what_is_ready_has_not_failed(clock: FakeClock) -> None:
    found = until(
        seen([1]),
        lambda n: True,
        failed=lambda n: "never asked",
        what="it",
        timeout=1,
        clock=clock.as_clock(),
    )
    assert found == 1


def test_a_streak_that_breaks_begins_anew(clock: FakeClock) -> None:
    flapping = [1, 1, 0, 1, 1, 1]
    found = until(
        seen(flapping), bool, what="it holds", timeout=60, in_a_row=3, clock=clock.as_clock()
    )
    assert found == 1
    assert len(clock.sleeps) == len(flapping) - 1


def test_a_streak_that_is_too_short_is_no_success(clock: FakeClock) -> None:
    with pytest.raises(WaitError, match="it holds did not come true within 1 s: 1"):
        until(seen([0, 1, 1]), bool, what="it holds", timeout=1, in_a_row=3, clock=clock.as_clock())


def flaky(answers: Iterable[int | LabError]) -> Callable[[], int]:
    """These observations in turn; those that are errors are raised."""
    left = iter(answers)

    def observe() -> int:
        answer = next(left)
        if isinstance(answer, LabError):
            raise answer
        return answer

    return observe


REFUSED = LabError("connection refused", "wait")


def test_an_observation_that_fails_ends_the_wait(clock: FakeClock) -> None:
    with pytest.raises(LabError, match="connection refused") as caught:
        until(flaky([0, REFUSED, 1]), bool, what="it", timeout=60, clock=clock.as_clock())
    assert caught.value is REFUSED


def test_where_failures_are_tolerated_it_goes_on_and_a_streak_begins_anew(
    clock: FakeClock,
) -> None:
    observe = flaky([REFUSED, 1, REFUSED, 1, 1])
    found = until(
        observe, bool, what="it", timeout=60, in_a_row=2, tolerant=True, clock=clock.as_clock()
    )
    assert (found, len(clock.sleeps)) == (1, 4)


@pytest.mark.parametrize(
    ("answers", "last"),
    [([0] * 4 + [REFUSED], "connection refused"), ([REFUSED] * 4 + [0], "saw 0")],
)
def test_even_then_the_deadline_holds_and_the_last_thing_is_told(
    clock: FakeClock, answers: list[int | LabError], last: str
) -> None:
    with pytest.raises(WaitError) as caught:
        until(
            flaky(answers),
            bool,
            what="it",
            timeout=2,
            describe=lambda n: f"saw {n}",
            tolerant=True,
            clock=clock.as_clock(),
        )
    assert str(caught.value) == f"it did not come true within 2 s: {last}."


def test_without_a_clock_it_is_the_machines_own() -> None:
    assert Clock().now is time.monotonic
    began = time.monotonic()
    until(seen([0, 1]), bool, what="it", timeout=30, interval=0.01)
    assert time.monotonic() - began >= 0.01

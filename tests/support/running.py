"""The test run that this is: its id, whom it may ask, and what the running test has recorded.

Probes and captures are plain functions that any test calls, so what they leave for the case that
the test fails travels beside them, in a context variable; where none is set nothing is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from gkelab.leftovers import RUN, TEST, told
from gkelab.tools.kubectl import Kubectl


@dataclass(frozen=True)
class Kept:
    """A capture: where it was made, and the pcap file's bytes."""

    place: str
    interface: str
    filter: str
    data: bytes


@dataclass
class Running:
    """A run of `invoke test` ("" for pytest by hand), the clusters under test, and the captures
    of the test that runs now."""

    run: str = ""
    clusters: list[Kubectl] = field(default_factory=list)
    captures: list[Kept] = field(default_factory=list)

    def labels(self) -> dict[str, str]:
        """The labels of what a test of this run makes in a cluster."""
        return {TEST: "true", **({RUN: self.run} if self.run else {})}


_NOW: ContextVar[Running | None] = ContextVar("running", default=None)


def running() -> Running | None:
    """The run that this is, None outside of one (a unit test)."""
    return _NOW.get()


def labels() -> dict[str, str]:
    """The labels of what the running test makes in a cluster."""
    return (_NOW.get() or Running()).labels()


def description() -> str:
    """What the descriptions say of what the running test makes in the cloud."""
    return told((_NOW.get() or Running()).run)


@contextmanager
def run_of(run: str) -> Iterator[Running]:
    """Be a run of that id inside the block."""
    now = Running(run)
    token = _NOW.set(now)
    try:
        yield now
    finally:
        _NOW.reset(token)


@contextmanager
def of_no_run() -> Iterator[None]:
    """Be of no run inside the block."""
    token = _NOW.set(None)
    try:
        yield
    finally:
        _NOW.reset(token)

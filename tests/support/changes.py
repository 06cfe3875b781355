"""Changes to the addresses and routes of a place, undone after the block.

Only for what is the test's own: a place inside its own pod, or a single address on a node or on
the client outside, where other tests go by.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gkelab.shell import CommandError
from tests.support.places import Place


@contextmanager
def route(place: Place, *words: str) -> Iterator[None]:
    """Inside the block the place has a route of these words ("unreachable", "10.0.0.5/32").
    Raises CommandError where `ip` refuses, also when the route is not there any more."""
    with _changed(place, ["route", "replace", *words], ["route", "delete", *words]):
        yield


@contextmanager
def address(place: Place, cidr: str, device: str = "eth0") -> Iterator[None]:
    """Inside the block the place has this address, too. Raises CommandError where `ip` refuses."""
    words = [cidr, "dev", device]
    with _changed(place, ["address", "replace", *words], ["address", "delete", *words]):
        yield


@contextmanager
def link(place: Place, name: str, *words: str) -> Iterator[None]:
    """Inside the block the place has this interface, up. Raises CommandError where `ip` refuses."""
    with _changed(place, ["link", "add", "dev", name, "up", *words], ["link", "delete", name]):
        yield


@contextmanager
def _changed(place: Place, there: list[str], back: list[str]) -> Iterator[None]:
    _ip(place, there)
    try:
        yield
    finally:
        _ip(place, back)


def _ip(place: Place, words: list[str]) -> None:
    done = place.exec(["ip", *words])
    if done.code:
        raise CommandError(done)

"""Looking at a matrix with real probes, on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gkelab.shell import run
from tests.support.outcomes import Outcome
from tests.support.places import HostPlace
from tests.support.probes import Probe
from tests.support.reach import Reach, Target, same
from tests.unit.support.servers import HERE, running

ME = socket.gethostname()


@pytest.fixture(scope="module")
def reach() -> Iterator[Reach]:
    with running() as ports:
        found = Reach()
        found.source("me", HostPlace(run), {HERE})
        found.source("you", HostPlace(run), {"192.0.2.1"})
        found.targets |= {
            "tcp": Target(Probe("tcp", HERE, ports.tcp), ME),
            "closed": Target(Probe("tcp", HERE, ports.closed), ME),
            "nameless": Target(Probe("http", HERE, ports.http)),
            "stranger": Target(Probe("udp", HERE, ports.udp), "another"),
            "elsewhere": Target(Probe("udp", HERE, ports.udp), ME, "there"),
        }
        found.skipped |= {("*", "stranger"), ("*", "elsewhere"), ("you", "tcp")}
        yield found
        found.close()


def test_what_is_seen(reach: Reach) -> None:
    matrix = reach.matrix().deny("*", "closed", Outcome.REFUSED)
    seen = reach.until_seen(matrix, what="all", in_a_row=2)
    assert {cell: answer.outcome for cell, answer in seen.items()} == {
        ("me", "tcp"): Outcome.OK,
        ("me", "closed"): Outcome.REFUSED,
        ("me", "nameless"): Outcome.OK,
        ("you", "closed"): Outcome.REFUSED,
        ("you", "nameless"): Outcome.OK,
    }


def test_what_is_not_seen_is_shown(reach: Reach) -> None:
    with pytest.raises(AssertionError, match="me to closed: expected OK, saw REFUSED"):
        reach.until_seen(reach.matrix(), what="all", timeout=0)


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (("me", "stranger"), "expected OK from another"),
        (("me", "elsewhere"), f"{ME} of  answered"),
        (("you", "tcp"), r"sees source 192\.0\.2\.1"),
    ],
)
def test_a_wrong_one_that_answers_is_an_error_at_once(
    reach: Reach, cell: tuple[str, str], sentence: str
) -> None:
    alone = Reach({cell[0]: reach.sources[cell[0]]}, {cell[1]: reach.targets[cell[1]]})
    with pytest.raises(AssertionError, match=sentence):
        alone.look(alone.matrix())


def test_the_same_expectations(reach: Reach) -> None:
    one, other = reach.matrix(), reach.matrix().deny("me", "tcp")
    assert same(one, reach.matrix())
    assert not same(one, other)
    reach.own.add(("me", "tcp"))
    assert same(one, reach.with_own(other))
    reach.own.clear()

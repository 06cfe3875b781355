"""The bench's arithmetic: ratios of turns, and what became of packets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.errors import LabError
from gkelab.fabric.bench import rows
from gkelab.fabric.figures import (
    MEASURES,
    Fates,
    Sample,
    Write,
    answer,
    ask_sample,
    fates,
    flatness,
    idle_cpus,
    mean_of,
    percentile,
    ratio,
    stream_sample,
)
from gkelab.fabric.measure import BRIDGE, DIRECT, FIRST, FULL, LEVELS, ROUTER, Figures, Turns

STREAM = '{"bits": 40e9, "seconds": 4.0, "busy": 9.0, "took": 4.5}'


def test_what_probes_say() -> None:
    assert stream_sample(STREAM, idle=0.0) == Sample(10e9, 9.0 / 40)
    # Half a core is at something else.
    assert stream_sample(STREAM, idle=0.5) == Sample(10e9, (9.0 - 2.25) / 40)
    assert stream_sample(STREAM, idle=9.0).cpu == 0.0
    assert stream_sample('{"bits": 0, "seconds": 4, "busy": 1, "took": 4}', 0).cpu is None
    assert ask_sample('serving\n{"transactions": 30, "seconds": 2}\n') == Sample(15.0)
    assert idle_cpus('{"busy": 1.5, "took": 3.0}') == 0.5


@pytest.mark.parametrize("text", ["", "\n", "Traceback", "3"])
def test_an_answer_that_is_none(text: str) -> None:
    with pytest.raises(LabError, match="The probe's answer cannot be read"):
        answer(text)


def test_a_ratio_is_of_turns_not_of_sums() -> None:
    # The machine was twice as fast in the second turn.
    assert ratio([7, 14, 8], [10, 20, 10]) == 0.7
    with pytest.raises(ValueError, match="zip"):
        ratio([1, 2], [1])


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    assert sum(value < found for value in values) < len(values) * percent / 100 or not values


def test_percentiles_of_a_hundred() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (
        *(50.0, 99.0),
        100.0,
    )


def test_flat_is_as_the_first() -> None:
    assert flatness({"10": 0.8, "100": 0.8, "1000": 0.72}) == pytest.approx(0.9)
    assert flatness({"10": 0.8}) == 1.0


# --- packets: one each tenth of a second, from 0 on


TIMES = [n / 10 for n in range(100)]
DENIES, ADMITS = Write(1.0, 1.2, False), Write(3.0, 3.2, True)


def seen(toggled: set[int], denied: set[int] = frozenset(), lost: set[int] = frozenset()) -> Fates:  # type: ignore[assignment]
    allowed = set(range(100)) - lost
    return fates([DENIES, ADMITS], TIMES, sorted(toggled), sorted(denied), sorted(allowed))


def test_a_delay_is_from_the_return_to_the_first_packet_that_fares_otherwise() -> None:
    got = seen(set(range(0, 15)) | set(range(36, 100)))
    assert got.delays == pytest.approx((0.3, 0.4))
    # From 1.0 to a second after the last return.
    assert (got.denied, got.leaked, got.allowed, got.lost) == (32, 0, 32, 0)


def test_what_is_in_the_way_before_the_return_took_no_time() -> None:
    assert seen(set(range(0, 11)) | set(range(31, 100))).delays == (0.0, 0.0)


def test_one_that_gets_through_late_counts() -> None:
    assert seen({*range(0, 15), 25, *range(36, 100)}).delays[0] == pytest.approx(1.4)


def test_what_never_comes_has_no_delay() -> None:
    assert seen(set(range(100))).delays == (None, 0.0)
    assert seen(set()).delays == (0.0, None)


def test_what_leaks_and_what_is_lost_is_counted_while_there_are_writes() -> None:
    got = seen(set(), denied={5, 20, 60}, lost={7, 33})
    assert (got.leaked, got.lost) == (1, 1)


def test_without_writes_there_is_nothing() -> None:
    assert fates([], TIMES, [], [], []) == Fates((), 0, 0, 0, 0)


# --- the table


def turns(router: float, other: float, name: str = BRIDGE) -> Turns:
    def of(value: float) -> dict[str, list[Sample]]:
        return {measure: [Sample(value, value / 100)] * 3 for measure in MEASURES}

    return {ROUTER: of(router), name: of(other)}


def figures(**changes: object) -> Figures:
    levels = {level: turns(8, 10) for level in (*LEVELS, FULL)}
    told = Figures(levels, turns(9, 10, DIRECT), Fates((0.1,) * 100, 500, 0, 500, 2), [0.05] * 20)
    for name, value in changes.items():
        setattr(told, name, value)
    return told


def test_figures_beside_their_aims() -> None:
    found = rows(figures())
    assert all(row.met is not False for row in found)
    by = {row.what: row for row in found}
    row = by["throughput, pod to pod by the router ÷ containers on the bridge"]
    assert (row.value, row.aim, row.met) == ("0.80", "at least 0.7", True)
    assert by["request/response, router ÷ direct routes"].value == "0.90"
    assert by["CPU seconds a Gbit, bridge"].value == "0.100"
    assert by["a write in the packets' way, p99 of 100"].value == "100 ms"
    assert by["denied packets that got through during writes"].value == "0 of 500"
    assert by["list of 1,000 firewall rules"].value == "50 ms"


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"lists": [0.3]}, ["list of 1,000 firewall rules"]),
        (
            {"writes": Fates((0.1,) * 98 + (None, None), 1, 0, 1, 0)},
            ["a write in the packets' way, p99 of 100"],
        ),
        (
            {"writes": Fates((0.1,), 500, 1, 500, 0)},
            ["denied packets that got through during writes"],
        ),
        (
            {"levels": {level: turns(8 if level != FULL else 7, 10) for level in (*LEVELS, FULL)}},
            [f"{measure} at {FULL} ÷ at {FIRST}" for measure in MEASURES],
        ),
        (
            {"levels": {level: turns(6, 10) for level in (*LEVELS, FULL)}},
            [
                f"{measure}, pod to pod by the router ÷ containers on the bridge"
                for measure in MEASURES[:2]
            ],
        ),
    ],
    ids=["slow lists", "late writes", "a leak", "not flat", "a slow router"],
)
def test_what_is_missed_says_so(changes: dict[str, object], missed: list[str]) -> None:
    assert [row.what for row in rows(figures(**changes)) if row.met is False] == missed


def test_a_write_that_never_came_is_infinitely_late() -> None:
    assert math.isinf(figures(writes=Fates((None,), 1, 0, 1, 0)).delay(99))


def test_the_seconds_of_a_turn_are_one() -> None:
    assert mean_of([Sample(2, 0.5), Sample(4, 1.5)]) == Sample(3, 1.0)
    assert mean_of([Sample(2), Sample(4)]) == Sample(3)

"""The arithmetic of what traffic lost, on records made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab.faults.record import (
    LEAD,
    Loss,
    Message,
    Record,
    Request,
    Reset,
    is_steady,
    loss,
    parse,
)

FAULT = 100.0


def stream(answered: Sequence[tuple[float, float | None]]) -> tuple[Message, ...]:
    """Messages by when they were sent and answered."""
    return tuple(Message(n, sent, at) for n, (sent, at) in enumerate(answered))


def requests(tries: Sequence[tuple[float, float, str]]) -> tuple[Request, ...]:
    """Requests by when they began and ended, and why they failed."""
    return tuple(Request(n, *each) for n, each in enumerate(tries))


def record(
    messages: Sequence[tuple[float, float | None]] = (),
    tries: Sequence[tuple[float, float, str]] = (),
    resets: Sequence[Reset] = (),
) -> Record:
    return Record(stream(messages), tuple(resets), requests(tries))


def every(begin: float, end: float, interval: float) -> list[float]:
    """The moments from `begin` up to `end`."""
    return [begin + n * interval for n in range(round((end - begin) / interval))]


# --- the prober's lines


def test_lines_become_a_record() -> None:
    lines: list[list[object]] = [
        ["answer", 1, 10.1, 10.2],
        ["request", 1, 10.0, 12.0, "TIMEOUT"],
        ["answer", 0, 10.0, 10.3],
        ["reset", 11.0, "RESET"],
        ["lost", 2, 10.9],
        ["request", 0, 9.9, 10.0, ""],
        ["end", 13.0],
    ]
    assert parse("".join(json.dumps(line) + "\n" for line in lines)) == Record(
        messages=(Message(0, 10.0, 10.3), Message(1, 10.1, 10.2), Message(2, 10.9, None)),
        resets=(Reset(11.0, "RESET"),),
        requests=(Request(0, 9.9, 10.0, ""), Request(1, 10.0, 12.0, "TIMEOUT")),
        ended=13.0,
    )


@pytest.mark.parametrize("text", ["", '["answer", 0, 1', '["end", 3.0'])
def test_a_line_that_is_not_whole_yet_is_not_there_yet(text: str) -> None:
    assert parse(text) == Record((), (), ())


def test_what_no_prober_says_is_refused() -> None:
    with pytest.raises(ValueError, match="not a prober's line"):
        parse('["answer", 1]\n')


# --- losses


def test_without_a_fault_nothing_is_lost() -> None:
    seen = loss(
        record(
            [(at, at + 0.001) for at in every(98, 104, 0.05)],
            [(at, at + 0.002, "") for at in every(98, 104, 0.1)],
        ),
        FAULT,
    )
    assert seen.survived
    assert (seen.messages_lost, seen.requests_lost, seen.resets) == (0, 0, 0)
    assert seen.recovery_ms == 0
    assert seen.gap_ms == pytest.approx(51, abs=2)
    assert seen.requests_gap_ms == pytest.approx(102, abs=3)
    assert seen.reasons == {}


def test_a_stall_is_a_gap_and_no_loss() -> None:
    """TCP sends again: all is answered, at once and late."""
    before = [(at, at + 0.001) for at in every(99, 100, 0.05)]
    stalled = [(at, max(at + 0.001, 103.0)) for at in every(100, 104, 0.05)]
    seen = loss(record(before + stalled), FAULT)
    assert seen.survived
    assert seen.gap_ms == pytest.approx(3050, abs=5)


def test_a_stall_that_does_not_end_counts_to_the_last_message() -> None:
    before = [(at, at + 0.001) for at in every(99, 100, 0.05)]
    dead: list[tuple[float, float | None]] = [(at, None) for at in every(100, 105, 0.05)]
    seen = loss(record([*before, *dead]), FAULT)
    assert not seen.survived
    assert seen.messages_lost == 100
    assert seen.gap_ms == pytest.approx(5000, abs=60)


def test_a_connection_made_again_did_not_survive() -> None:
    """Even if no message was lost by it."""
    messages = [(at, at + 0.001) for at in every(99, 104, 0.05)]
    seen = loss(record(messages, resets=[Reset(101, "RESET")]), FAULT)
    assert (seen.survived, seen.resets, seen.messages_lost) == (False, 1, 0)


def test_no_stream_did_not_survive() -> None:
    seen = loss(record(tries=[(99.5, 99.6, "")]), FAULT)
    assert (seen.survived, seen.messages, seen.gap_ms) == (False, 0, 0)


def test_recovery_is_the_first_answer_after_the_last_loss() -> None:
    tries = [
        (99.9, 99.91, ""),
        (100.1, 102.1, "TIMEOUT"),
        (100.2, 100.21, ""),  # one that got through does not mean that it is over
        (103.0, 103.01, "REFUSED"),
        (103.5, 103.6, ""),
        (103.6, 103.61, ""),
    ]
    seen = loss(record(tries=tries), FAULT)
    assert seen.requests_lost == 2
    assert seen.recovery_ms == 3600
    assert seen.reasons == {"TIMEOUT": 1, "REFUSED": 1}
    assert seen.requests_gap_ms == pytest.approx(3390, abs=1)


def test_what_does_not_come_back_has_no_recovery() -> None:
    seen = loss(record(tries=[(99.9, 99.91, ""), (101, 103, "TIMEOUT")]), FAULT)
    assert seen.recovery_ms is None


def test_trouble_long_before_the_fault_is_not_its_own() -> None:
    early = FAULT - LEAD - 0.5
    seen = loss(
        Record(
            stream([(early, None), (99.9, 99.91)]),
            (Reset(early, "RESET"),),
            requests([(early, early + 2, "TIMEOUT"), (99.9, 99.91, "")]),
        ),
        FAULT,
    )
    assert seen.survived
    assert seen.requests_lost == 0


def test_what_was_on_its_way_is() -> None:
    seen = loss(record([(99.95, None)], [(99.5, 101.5, "TIMEOUT"), (101.6, 101.7, "")]), FAULT)
    assert (seen.messages_lost, seen.requests_lost, seen.recovery_ms) == (1, 1, 1700)


def test_a_loss_is_plain_data() -> None:
    seen = loss(record([(99.9, 99.91)], [(99.9, 99.91, "")]), FAULT)
    assert Loss(**json.loads(json.dumps(seen.to_dict()))) == seen


times = st.floats(FAULT, FAULT + 50)


@given(st.lists(st.tuples(times, st.floats(0, 5), st.sampled_from(["", "TIMEOUT"]))))
def test_counts_add_up_whatever_happens(tries: list[tuple[float, float, str]]) -> None:
    seen = loss(record(tries=[(began, began + took, why) for began, took, why in tries]), FAULT)
    assert seen.requests == len(tries)
    assert seen.requests_lost == sum(seen.reasons.values()) <= seen.requests
    assert (seen.recovery_ms == 0) or seen.requests_lost
    assert seen.requests_gap_ms >= 0


# --- steadiness


def steady(seen: Record, now: float, *, stream: float = 0.05, requests: float = 0.1) -> bool:
    return is_steady(seen, now, stream=stream, requests=requests, timeout=2, window=3)


def good(begin: float, end: float) -> Record:
    return record(
        [(at, at + 0.001) for at in every(begin, end, 0.05)],
        [(at, at + 0.002, "") for at in every(begin, end, 0.1)],
    )


def test_steady_is_long_enough_without_a_fault() -> None:
    assert steady(good(94, 100), 100)
    assert not steady(good(97, 100), 100), "of most requests nothing is known yet"
    assert not steady(good(94, 98), 100), "the stream is silent"
    assert not steady(Record((), (), ()), 100)


@pytest.mark.parametrize(
    ("at", "expected"), [(94.0, True), (95.5, False), (97.5, False), (99.9, False)]
)
def test_one_lost_request_is_not_steady_for_a_while(at: float, expected: bool) -> None:
    fine = good(93, 100)
    failed = Request(999, at, at + 0.01, "REFUSED")
    seen = Record(fine.messages, (), (*fine.requests, failed))
    assert steady(seen, 100) is expected


@pytest.mark.parametrize(("at", "expected"), [(96.0, True), (98.0, False)])
def test_nor_is_a_broken_connection(at: float, expected: bool) -> None:
    fine = good(93, 100)
    assert steady(Record(fine.messages, (Reset(at, "RESET"),), fine.requests), 100) is expected
    lost = (*fine.messages, Message(999, at, None))
    assert steady(Record(lost, (), fine.requests), 100) is expected


def test_requests_of_which_half_hang_are_not_steady() -> None:
    fine = good(93, 100)
    assert not steady(Record(fine.messages, (), fine.requests[::2]), 100)
    assert steady(Record(fine.messages, (), fine.requests[:-1]), 100)


def test_what_is_not_sent_need_not_be_answered() -> None:
    fine = good(93, 100)
    assert steady(Record(fine.messages, (), ()), 100, requests=0)
    assert steady(Record((), (), fine.requests), 100, stream=0)

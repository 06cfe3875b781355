"""Asking beside a test."""

from __future__ import annotations

import pytest

from gkelab.wait import until
from tests.support.outcomes import Answer, Outcome
from tests.support.steady import lost, steady


def test_it_asks_while_the_block_runs() -> None:
    given = iter([Answer(Outcome.OK), Answer(Outcome.TIMEOUT), Answer(Outcome.OK)])
    with steady(lambda: next(given, Answer(Outcome.OK))) as answers:
        until(lambda: len(answers), lambda n: n >= 4, what="answers", timeout=30, interval=0.01)
    count = len(answers)
    assert [answer.outcome for answer in lost(answers)] == [Outcome.TIMEOUT]
    assert len(answers) == count


def test_what_breaks_is_raised_at_the_end() -> None:
    def broken() -> Answer:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), steady(broken) as answers:
        assert answers == []


def test_the_blocks_own_error_comes_first() -> None:
    with pytest.raises(RuntimeError), steady(lambda: Answer(Outcome.OK)):
        raise RuntimeError

"""Asking until the answer is as expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.support.eventually import eventually, eventually_from, names
from tests.support.outcomes import Answer, Outcome

LATE = Answer(Outcome.TIMEOUT)


def good(pod: str = "a") -> Answer:
    return Answer(Outcome.OK, body={"pod": pod, "source": "10.4.0.2"})


def told(answers: Iterable[Answer]) -> Callable[[], Answer]:
    left = list(answers)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_it_asks_until_it_is_so_twice_in_a_row() -> None:
    ask = told([LATE, good(), good("b"), good(), good(), LATE])
    assert eventually(ask, who="a", saw="10.4.0.2", what="a answers") == good()
    assert ask() is LATE


def test_it_says_what_it_saw_last() -> None:
    said = r"a answers did not .*: from x: expected OK from a, but saw TIMEOUT"
    with pytest.raises(AssertionError, match=said):
        eventually(told([LATE]), who="a", from_="x", what="a answers", timeout=0)


def test_once_is_not_in_a_row() -> None:
    with pytest.raises(AssertionError, match=r"a answers did not .* 0 s: saw OK from a that sees"):
        eventually(told([good()]), who="a", what="a answers", timeout=0)


def test_many_answers_are_those_of_just_the_wanted_twice_in_a_row() -> None:
    asked = []

    def ask() -> list[Answer]:
        asked.append("")
        return [good(), good("b" if len(asked) > 1 else "c")]

    eventually_from(ask, {"a", "b"}, what="both answer")
    assert len(asked) == 3
    with pytest.raises(AssertionError, match=r"a alone did not .*: expected a, but saw a, b"):
        eventually_from(ask, {"a"}, what="a alone", timeout=0)


def test_many_answers_saw_the_wanted_source() -> None:
    eventually_from(lambda: [good(), good("b")], {"a", "b"}, saw="10.4.0.2", what="both answer")
    said = "but saw a, which see source 10.4.0.2 and not 10.4.0.3"
    with pytest.raises(AssertionError, match=said):
        eventually_from(lambda: [good()], {"a"}, saw="10.4.0.3", what="a answers", timeout=0)


def test_names_of_who_answered_and_outcomes_of_who_did_not() -> None:
    assert names([good(), good("b"), good(), LATE]) == {"a", "b", "TIMEOUT"}

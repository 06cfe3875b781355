"""Probing until the answer is as expected, and keeps being so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from gkelab.wait import WaitError, until
from tests.support.outcomes import Answer
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS


def eventually(
    ask: Callable[[], Answer],
    *,
    what: str,
    timeout: float = TIMEOUTS.datapath,
    in_a_row: int = 2,
    **wanted: Any,
) -> Answer:
    """Ask again and again until the answer is as `say.expect` takes it from `wanted`, so often in
    a row, and return it. Raises AssertionError with `expect`'s sentence about the last one."""
    answer: list[Answer] = []

    def met() -> str:
        answer[:] = [ask()]
        try:
            # Only the last one's failure asks Hubble.
            expect(answer[0], **{**wanted, "why": str})
        except AssertionError as error:
            return str(error)
        return ""

    try:
        until(
            met,
            lambda problem: not problem,
            what=what,
            timeout=timeout,
            in_a_row=in_a_row,
            interval=0.2,
        )
    except WaitError as error:
        try:
            expect(answer[0], **wanted)
        except AssertionError as last:
            raise AssertionError(f"{what}: {last}") from None
        raise AssertionError(str(error)) from None
    return answer[0]


def names(answers: Iterable[Answer]) -> set[str]:
    """Who answered; for one that nobody answered, how it ended."""
    return {answer.who or str(answer.outcome) for answer in answers}


def eventually_from(
    ask: Callable[[], Iterable[Answer]], wanted: Collection[str], *, what: str
) -> None:
    """Ask for many answers again and again until just the wanted ones give them, twice in a row.
    Raises WaitError with who gave the last ones. Names are as in `names`."""
    until(
        lambda: names(ask()),
        lambda seen: seen == set(wanted),
        what=what,
        timeout=TIMEOUTS.datapath,
        in_a_row=2,
        interval=0.2,
        describe=lambda seen: f"{', '.join(sorted(seen))} instead of {', '.join(sorted(wanted))}",
    )

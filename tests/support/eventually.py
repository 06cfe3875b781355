"""Probing until the answers are as expected, and keep being so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from gkelab.wait import WaitError, until
from tests.support.matrix import Difference, Matrix, Observed, compare
from tests.support.outcomes import Answer
from tests.support.say import Sources, ends, expect, hubble_on, seen_by
from tests.support.timeouts import TIMEOUTS

T = TypeVar("T")


def until_answered(
    ask: Callable[[], T],
    ready: Callable[[T], bool],
    about: Callable[[T], Iterable[Answer]],
    *,
    what: str,
    timeout: float = TIMEOUTS.datapath,
    in_a_row: int = 1,
    interval: float = 0.2,
    describe: Callable[[T], str] = str,
) -> T:
    """As `until`, for what probes saw. Raises AssertionError with the last observation, and with
    what Hubble saw of the places that the answers in it were asked from: those that `about`
    takes from it."""
    last: list[T] = []

    def look() -> T:
        last[:] = [ask()]
        return last[0]

    try:
        return until(
            look,
            ready,
            what=what,
            timeout=timeout,
            in_a_row=in_a_row,
            interval=interval,
            describe=describe,
        )
    except WaitError as error:
        told = hubble_on(answer for seen in last for answer in about(seen))
        raise AssertionError(f"{error}{told}") from None


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

    def problem(answer: Answer) -> str:
        try:
            # Only the last one's failure asks Hubble.
            expect(answer, **{**wanted, "why": str})
        except AssertionError as error:
            return str(error)
        return ""

    return until_answered(
        ask,
        lambda answer: not problem(answer),
        lambda answer: [answer],
        what=what,
        timeout=timeout,
        in_a_row=in_a_row,
        describe=lambda answer: problem(answer) or str(answer),
    )


def names(answers: Iterable[Answer]) -> set[str]:
    """Who answered; for one that nobody answered, how it ended."""
    return {answer.who or str(answer.outcome) for answer in answers}


def eventually_from(
    ask: Callable[[], Collection[Answer]],
    wanted: Collection[str],
    *,
    what: str,
    saw: Sources | None = None,
    timeout: float = TIMEOUTS.datapath,
) -> None:
    """Ask for many answers again and again until just the wanted ones give them, twice in a row,
    and all of them saw the source `saw`, as `say.expect` takes it. Raises AssertionError with who
    gave the last ones. Names are as in `names`."""

    def strange(answers: Iterable[Answer]) -> set[str]:
        if saw is None:
            return set()
        return {str(answer.saw) for answer in answers if not seen_by(answer.saw, saw)}

    def sentence(answers: Collection[Answer]) -> str:
        there = ends(next(iter(answers)))
        seen, expected = (", ".join(sorted(some)) for some in (names(answers), wanted))
        sources = ", ".join(sorted(strange(answers)))
        told = f", which see source {sources} and not {saw}" * bool(sources)
        return f"{there}: expected {expected}, but saw {seen}{told}"

    until_answered(
        ask,
        lambda answers: names(answers) == set(wanted) and not strange(answers),
        lambda answers: answers,
        what=what,
        timeout=timeout,
        in_a_row=2,
        describe=sentence,
    )


def eventually_all(
    look: Callable[[], Observed],
    matrix: Matrix,
    *,
    what: str,
    timeout: float = TIMEOUTS.datapath,
    in_a_row: int = 1,
) -> Observed:
    """Look again and again until all is as the matrix expects, so often in a row, and return what
    was seen. Raises AssertionError with the grids of the last look, and with what Hubble saw of
    the first sources that saw something else."""

    def wrong(difference: Difference) -> list[Answer]:
        seen = difference.observed
        return [seen[cell] for cell in difference.wrong if cell in seen]

    return until_answered(
        lambda: compare(matrix, look()),
        lambda difference: not difference,
        wrong,
        what=what,
        timeout=timeout,
        in_a_row=in_a_row,
        interval=0.1,
        describe=lambda difference: f"\n{difference}",
    ).observed

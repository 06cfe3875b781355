"""Probing until the answer is as expected, and keeps being so."""

from __future__ import annotations

from collections.abc import Callable
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
            expect(answer[0], **wanted)
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
        raise AssertionError(str(error)) from None
    return answer[0]

"""Probing without a pause beside a test, so that what is lost while it does something is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.outcomes import Answer, Outcome

PAUSE = 0.02  # between an answer and the next question, so that a machine has time for others


@contextmanager
def steady(ask: Callable[[], Answer]) -> Iterator[list[Answer]]:
    """Ask again and again, in a thread of its own, while the block runs; the list grows with the
    answers, in their order. What `ask` raises is raised at the end of the block."""
    answers: list[Answer] = []
    failed: list[BaseException] = []
    stop = threading.Event()

    def go_on() -> None:
        try:
            answers.append(ask())
            while not stop.wait(PAUSE):
                answers.append(ask())
        except BaseException as error:  # noqa: BLE001 - raised below, where a test can see it
            failed.append(error)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def lost(answers: list[Answer]) -> list[Answer]:
    """Those that are not OK."""
    return [answer for answer in answers if answer.outcome is not Outcome.OK]

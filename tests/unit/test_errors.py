"""Errors are sentences: what is wrong, and what to do."""

from __future__ import annotations

import pytest

from gkelab.errors import LabError


@pytest.mark.parametrize(
    ("message", "remedy", "sentences"),
    [
        ("There is no lab", "", "There is no lab."),
        ("There is no lab", "bring one up", "There is no lab. Bring one up."),
        ("It ends already.", "So does this. ", "It ends already. So does this."),
        ("It", "kind stays small inside: kind", "It. Kind stays small inside: kind."),
    ],
)
def test_sentences(message: str, remedy: str, sentences: str) -> None:
    assert str(LabError(message, remedy)) == sentences


def test_the_parts_are_kept_for_who_makes_other_sentences() -> None:
    error = LabError("It is full.", "make room.")
    assert (error.message, error.remedy) == ("It is full", "make room")

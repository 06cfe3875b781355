"""Unit tests are of no run, also where they share a process with end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running import of_no_run


@pytest.fixture(autouse=True)
def no_run() -> Iterator[None]:
    """What a unit test does is kept for no failure, and labelled for no run."""
    with of_no_run():
        yield

"""What every step's tests start from; a module whose lab says more has its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.lab import Lab
from tests.support.recorder import Recorder
from tests.unit.steps import make_lab


@pytest.fixture
def run() -> Recorder:
    """What answers commands."""
    return Recorder()


@pytest.fixture
def lab(tmp_path: Path, run: Recorder) -> Lab:
    """A lab of the default topology."""
    return make_lab(tmp_path, run)

"""Options that every suite knows."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Machines are noisy: no example fails for being slow.
settings.register_profile("gkelab", deadline=None)
settings.load_profile("gkelab")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", default="", help="the lab to test; the only one by default")

"""Options that every suite knows."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", default="", help="the lab to test; the only one by default")

"""Options that every suite knows, and what every test's report carries."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Machines are noisy: no example fails for being slow.
settings.register_profile("gkelab", deadline=None)
settings.load_profile("gkelab")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", default="", help="the lab to test; the only one by default")
    parser.addoption("--run-id", default="", help="the run's id, on what its tests make")


def suite_of(test: str) -> str:
    """The suite of a test, by its node id."""
    parts = test.partition("::")[0].split("/")
    return parts[2] if parts[:2] == ["tests", "e2e"] else parts[1] if len(parts) > 1 else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test's suite, for JUnit."""
    for item in items:
        item.user_properties.append(("suite", suite_of(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_header(cells: list[str]) -> None:
    """A column for the suite, in the HTML report."""
    cells.insert(1, '<th class="sortable" data-column-type="suite">Suite</th>')


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_row(report: pytest.TestReport, cells: list[str]) -> None:
    """The suite's cell."""
    cells.insert(1, f'<td class="col-suite">{suite_of(report.nodeid)}</td>')

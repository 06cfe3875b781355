"""Options that every suite knows, the tests' order, and what every test's report carries."""

from __future__ import annotations

import pytest
from hypothesis import settings

# Machines are noisy: no example fails for being slow.
settings.register_profile("gkelab", deadline=None)
settings.load_profile("gkelab")

STORIES = ("lifecycle",)  # suites whose tests follow from each other


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lab", default="", help="the lab to test; the only one by default")
    parser.addoption("--run-id", default="", help="the run's id, on what its tests make")
    backwards = "from the last test to the first, as no test needs one before it"
    parser.addoption("--reverse", action="store_true", help=backwards)


def pytest_configure(config: pytest.Config) -> None:
    """xdist gives the longest files out first, by itself; with --reverse it takes them in order."""
    if config.getoption("--reverse"):
        config.option.loadscopereorder = False


def suite_of(test: str) -> str:
    """The suite of a test, by its node id."""
    parts = test.partition("::")[0].split("/")
    return parts[2] if parts[:2] == ["tests", "e2e"] else parts[1] if len(parts) > 1 else ""


@pytest.hookimpl(trylast=True)  # pytest itself puts tests together that share a fixture's value
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test's suite, for JUnit; the order with --reverse: stories come last, as they are."""
    for item in items:
        item.user_properties.append(("suite", suite_of(item.nodeid)))
    if config.getoption("--reverse"):
        stories = [item for item in items if suite_of(item.nodeid) in STORIES]
        others = [item for item in items if item not in stories]
        items[:] = [*reversed(others), *stories]


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_header(cells: list[str]) -> None:
    """A column for the suite, in the HTML report."""
    cells.insert(1, '<th class="sortable" data-column-type="suite">Suite</th>')


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_row(report: pytest.TestReport, cells: list[str]) -> None:
    """The suite's cell."""
    cells.insert(1, f'<td class="col-suite">{suite_of(report.nodeid)}</td>')

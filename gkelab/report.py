"""`invoke report`: what the lab claims of GKE against the last results of its tests."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from gkelab.errors import LabError
from gkelab.fidelity import table
from gkelab.page import page
from gkelab.proof import Verdict, as_data, counts, judge
from gkelab.results import KEPT, REPORT, TestResult, load, merge
from gkelab.supply.pins import ROOT

README = ROOT / "README.md"
# The part of the README that is written from the list of claims.
BEGIN = "<!-- written by `invoke report --readme` from gkelab/fidelity.py -->"
END = "<!-- end -->"
LINE = 200  # of a test's message


def report(folder: Path = REPORT) -> list[Verdict]:
    """Write fidelity.html and fidelity.json, and say what is in them. Raises LabError when that
    cannot be."""
    now = time.time()
    verdicts = judge(load(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fidelity.html").write_text(page(verdicts, now))
        (folder / "fidelity.json").write_text(json.dumps(as_data(verdicts, now), indent=1) + "\n")
    except OSError as error:
        raise LabError(f"The report cannot be written under {folder}: {error}") from error
    print(f"{_counted(verdicts)}: {folder / 'fidelity.html'}")  # noqa: T201
    return verdicts


def take_in(others: str, folder: Path = REPORT) -> None:
    """Keep the results of other runs, whose files are below the folder `others`, beside those of
    this one, and say how many there are. Raises LabError when there are none."""
    found = sorted(Path(others).rglob(KEPT))
    if not found:
        raise LabError(f"There is no {KEPT} below {others}")
    count = merge(folder, [file.parent for file in found])
    print(f"{count} tests' results, with those of {len(found)} runs below {others}")  # noqa: T201


def write_readme(path: Path = README) -> None:
    """Put the table of claims between its marks. Raises LabError when the marks are not there."""
    path.write_text(with_table(path.read_text()))


def with_table(text: str) -> str:
    """The README with the table as it should be."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise LabError(f"README.md has no place for the table: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"


def show_summary(folder: Path = REPORT) -> None:
    """Print the last results as Markdown, for a workflow's page."""
    print(summary(folder), end="")  # noqa: T201


def summary(folder: Path) -> str:
    """The last results as Markdown."""
    results = load(folder)
    lines = ["## gkelab", "", *_suites(results), ""]
    lines += _named("failed", [result for result in results.values() if result.bad])
    lines += _named("skipped", [r for r in results.values() if r.outcome == "skipped"])
    bundles = sorted(path.name for path in folder.glob("logs-*.tar.gz"))
    if bundles:
        lines += [f"The lab's logs are in {', '.join(bundles)}.", ""]
    lines.append(f"GKE and the lab: {_counted(judge(results))}.")
    return "\n".join(lines) + "\n"


def _suites(results: Mapping[str, TestResult]) -> list[str]:
    if not results:
        return ["No test has run."]
    by_suite: dict[str, list[TestResult]] = {}
    for result in results.values():
        by_suite.setdefault(result.suite, []).append(result)
    columns = ("suite", "passed", "failed", "expected to fail", "skipped", "seconds")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for suite, ended in sorted(by_suite.items()):
        found = Counter(result.outcome for result in ended)
        failed = found["failed"] + found["error"]
        seconds = f"{sum(result.seconds for result in ended):.0f}"
        cells = (suite, found["passed"], failed, found["xfailed"], found["skipped"], seconds)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _named(title: str, results: Sequence[TestResult]) -> list[str]:
    return [f"### {title}", "", *(_why(result) for result in results), ""] if results else []


def _why(result: TestResult) -> str:
    said = result.message.strip().splitlines()
    why = f": {_plain(said[0][:LINE])}" if said else ""
    return f"- <code>{_plain(result.test)}</code>{why}"


def _plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is."""
    return "".join(f"&#{ord(c)};" if c in r"\`*_[]|~#" else escape(c) for c in text)


def _counted(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts(verdicts).items())

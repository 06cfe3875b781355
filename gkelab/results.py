"""Where `invoke test` writes, and the last result of every test, whichever run it was of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from gkelab.supply.pins import ROOT
from gkelab.tree import there

REPORT = ROOT / "report"
JUNIT, KEPT = "junit.xml", "results.json"

# The worst last: a test whose teardown fails is there twice. One that is expected to fail, and
# does, has run: it is no skipped one.
OUTCOMES = ("passed", "skipped", "xfailed", "failed", "error")
# JUnit's element for what is not passed.
_ELEMENTS = {"skipped": "skipped", "failure": "failed", "error": "error"}
_XFAIL = "pytest.xfail"  # the type of a skipped element that is none


@dataclass(frozen=True)
class TestResult:
    """How a test ended. `test` is pytest's node id, `seconds` what it took, `at` when its run
    ended (seconds since the epoch), `lab` the lab that it was run on ("" for unit tests)."""

    __test__ = False  # pytest takes a class of such a name for tests

    test: str
    suite: str
    outcome: str
    seconds: float
    message: str
    at: float
    lab: str

    @property
    def bad(self) -> bool:
        """Whether it failed, in itself or in what it stands on."""
        return self.outcome in ("failed", "error")


def read_junit(text: str, lab: str, at: float) -> list[TestResult]:
    """The tests of pytest's JUnit report, each once. Raises ElementTree.ParseError."""
    found: dict[str, TestResult] = {}
    for case in ElementTree.fromstring(text).iter("testcase"):
        test = node_id(case.get("classname", ""), case.get("name", ""))
        outcome, message = "passed", ""
        for child in case:
            if child.tag in _ELEMENTS:
                outcome, message = _ELEMENTS[child.tag], child.get("message", "")
                outcome = "xfailed" if child.get("type") == _XFAIL else outcome
        seconds = float(case.get("time", 0))
        result = TestResult(test, suite_of(test), outcome, seconds, message, at, lab)
        known = found.get(test)
        if known is None or OUTCOMES.index(known.outcome) < OUTCOMES.index(outcome):
            found[test] = result
    return list(found.values())


def node_id(classname: str, name: str) -> str:
    """pytest's node id of a test that JUnit knows by a dotted name: a module, and perhaps classes
    in it."""
    parts = classname.split(".")
    modules = [at for at, part in enumerate(parts) if part.startswith("test_")]
    end = modules[0] + 1 if modules else len(parts)
    return "::".join([f"{'/'.join(parts[:end])}.py", *parts[end:], name])


def suite_of(test: str) -> str:
    """The suite of a test: unit, or a folder of tests/e2e."""
    parts = test.partition("::")[0].split("/")
    return parts[2] if parts[:2] == ["tests", "e2e"] and len(parts) > 2 else "unit"


def keep(report: Path, results: Iterable[TestResult], tree: Path = ROOT) -> None:
    """Write these results over those that are kept of the same tests (see `last`). The others stay,
    but for those of tests that are not in the tree any more."""
    known = load(report)
    stay = there(known, tree)
    _write(report, last([*(known[test] for test in known if test in stay), *results]))


def merge(report: Path, others: Iterable[Path]) -> int:
    """Keep what is kept in these other folders, too: of several jobs on labs of one name, whichever
    ended last has the last word on a test, and of those on different ones the worst, so that what
    passes on one topology hides no failure on another. How many tests there are of now."""
    folders = [report, *others]
    results = [result for folder in folders for result in load(folder).values()]
    by_lab: dict[str, list[TestResult]] = {}
    for result in sorted(results, key=lambda result: result.at):
        by_lab.setdefault(result.lab, []).append(result)
    ended = [result for some in by_lab.values() for result in last(some).values()]
    merged = last(sorted(ended, key=lambda result: OUTCOMES.index(result.outcome)))
    report.mkdir(parents=True, exist_ok=True)
    _write(report, merged)
    return len(merged)


def last(results: Iterable[TestResult]) -> dict[str, TestResult]:
    """The last result of each test, of results in the order that they came about. One that is
    skipped tells nothing of the test, and stands only where there is no other."""
    found: dict[str, TestResult] = {}
    for result in results:
        known = found.get(result.test)
        if known is None or result.outcome != "skipped" or known.outcome == "skipped":
            found[result.test] = result
    return found


def load(report: Path) -> Mapping[str, TestResult]:
    """The last result of each test, by its node id; what cannot be read is as if it were not."""
    try:
        listed = json.loads((report / KEPT).read_text())
        return {item["test"]: TestResult(**item) for item in listed}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _write(report: Path, results: Mapping[str, TestResult]) -> None:
    listed = [asdict(results[test]) for test in sorted(results)]
    new = report / f"{KEPT}.new"
    new.write_text(json.dumps(listed, indent=1) + "\n")
    new.replace(report / KEPT)

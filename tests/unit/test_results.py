"""Results of tests: read from JUnit, kept over runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gkelab.results import TestResult, keep, last, load, merge, node_id, read_junit, suite_of

# As pytest writes it (cut): a test with properties, one whose setup and one whose call fails, one
# that is skipped, one that fails and cannot be torn down either.
JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="2" failures="2" tests="6">
<testcase classname="tests.e2e.mesh.test_gateway" name="test_routes_by_path[/v2/x-v2]"
 time="0.710"><properties><property name="suite" value="mesh" /></properties></testcase>
<testcase classname="tests.e2e.lifecycle.test_small" name="test_up" time="0.4">
<error message="failed on setup with &quot;no&quot;">...</error></testcase>
<testcase classname="tests.unit.host.test_checks" name="test_one[a.b]" time="0">
<failure message="assert 1 == 2">...</failure></testcase>
<testcase classname="tests.e2e.routing.test_pod_to_pod" name="test_x" time="0">
<skipped type="pytest.skip" message="one worker">...</skipped></testcase>
<testcase classname="tests.e2e.services.test_locality" name="test_w" time="0">
<skipped type="pytest.xfail" message="an issue"/></testcase>
<testcase classname="tests.e2e.lab.test_uplink" name="test_z" time="1"><failure message="a">
</failure></testcase>
<testcase classname="tests.e2e.lab.test_uplink" name="test_z" time="2"><error message="b">
</error></testcase>
</testsuite></testsuites>
"""


def test_junit() -> None:
    found = {result.test: result for result in read_junit(JUNIT, "small", 7.0)}
    assert {test: result.outcome for test, result in found.items()} == {
        "tests/e2e/mesh/test_gateway.py::test_routes_by_path[/v2/x-v2]": "passed",
        "tests/e2e/lifecycle/test_small.py::test_up": "error",
        "tests/unit/host/test_checks.py::test_one[a.b]": "failed",
        "tests/e2e/routing/test_pod_to_pod.py::test_x": "skipped",
        "tests/e2e/services/test_locality.py::test_w": "xfailed",
        "tests/e2e/lab/test_uplink.py::test_z": "error",
    }
    failed = found["tests/unit/host/test_checks.py::test_one[a.b]"]
    assert failed == TestResult(failed.test, "unit", "failed", 0, "assert 1 == 2", 7.0, "small")
    assert [result.bad for result in found.values()] == [False, True, True, False, False, True]


def test_what_is_cut_off_is_no_report() -> None:
    with pytest.raises(ElementTree.ParseError):
        read_junit(JUNIT[:500], "", 0)


@pytest.mark.parametrize(
    ("classname", "test"),
    [
        ("tests.unit.test_a", "tests/unit/test_a.py::x"),
        ("tests.e2e.mesh.test_a.TestB.TestC", "tests/e2e/mesh/test_a.py::TestB::TestC::x"),
        ("tests.unit.steps", "tests/unit/steps.py::x"),
    ],
)
def test_node_ids(classname: str, test: str) -> None:
    assert node_id(classname, "x") == test


@pytest.mark.parametrize(
    ("test", "suite"),
    [
        ("tests/e2e/mesh/test_a.py::x", "mesh"),
        ("tests/unit/tools/test_a.py::x", "unit"),
        ("test_a.py::x", "unit"),
    ],
)
def test_suites(test: str, suite: str) -> None:
    assert suite_of(test) == suite


ONE = TestResult("tests/unit/test_a.py::test_x", "unit", "passed", 0.1, "", 1.0, "")
TWO = replace(ONE, test="tests/unit/test_a.py::test_y", outcome="failed", message="no")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the tests x and y."""
    file = tmp_path / "tree" / "tests" / "unit" / "test_a.py"
    file.parent.mkdir(parents=True)
    file.write_text("def test_x(): ...\ndef test_y(): ...\n")
    return tmp_path / "tree"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "report"
    folder.mkdir()
    return folder


def test_a_later_run_replaces_its_own_tests_alone(report: Path, tree: Path) -> None:
    keep(report, [ONE, TWO], tree)
    again = replace(ONE, outcome="failed", at=2.0)
    keep(report, [again], tree)
    assert load(report) == {ONE.test: again, TWO.test: TWO}
    keep(report, [], tree)
    assert len(load(report)) == 2
    assert [path.name for path in report.iterdir()] == ["results.json"]


def test_a_test_that_is_gone_has_no_result(report: Path, tree: Path) -> None:
    keep(report, [ONE, TWO], tree)
    (tree / "tests" / "unit" / "test_a.py").write_text("def test_y(): ...\n")
    keep(report, [], tree)
    assert load(report) == {TWO.test: TWO}


def outcomes(*listed: str) -> str:
    """The outcome that stands of these, one after the other."""
    results = [replace(ONE, outcome=outcome, at=at) for at, outcome in enumerate(listed)]
    return last(results)[ONE.test].outcome


@pytest.mark.parametrize("ran", ["passed", "xfailed", "failed", "error"])
def test_a_skipped_one_stands_only_where_there_is_no_other(ran: str) -> None:
    assert outcomes(ran, "skipped") == ran
    assert outcomes("skipped", ran) == ran
    assert outcomes("skipped", ran, "skipped", "passed") == "passed"
    assert outcomes("passed", ran) == ran


def test_of_two_skipped_ones_the_last_says_why() -> None:
    why = [replace(ONE, outcome="skipped", message=message) for message in ("old", "new")]
    assert last(why)[ONE.test].message == "new"


def test_a_skip_is_kept_out(report: Path, tree: Path) -> None:
    keep(report, [ONE], tree)
    keep(report, [replace(ONE, outcome="skipped", lab="small", at=9.0)], tree)
    assert load(report) == {ONE.test: ONE}


# --- of several jobs


def test_the_results_of_jobs_are_one(report: Path, tmp_path: Path) -> None:
    """The newest of a test counts, whichever job's it is; a skipped one counts for nothing."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    old, new = replace(ONE, at=5.0), replace(ONE, at=6.0, outcome="failed", lab="small")
    skipped = replace(TWO, at=7.0, outcome="skipped")
    keep(first, [new, TWO])
    keep(second, [old, skipped])
    for order in ([first, second], [second, first]):
        assert merge(report / "new", order) == 2
        assert load(report / "new") == {ONE.test: new, TWO.test: TWO}


def test_what_is_there_already_is_one_of_them(report: Path, tmp_path: Path) -> None:
    newest = replace(ONE, at=9.0, outcome="failed")
    keep(report, [newest])
    other = tmp_path / "other"
    other.mkdir()
    keep(other, [ONE, TWO])
    assert merge(report, [other, tmp_path / "nothing"]) == 2
    assert load(report) == {ONE.test: newest, TWO.test: TWO}


def test_a_pass_on_one_lab_hides_no_failure_on_another(report: Path, tmp_path: Path) -> None:
    failed = replace(ONE, at=1.0, outcome="failed", lab="two-regions")
    passed = replace(ONE, at=2.0, outcome="passed")
    skipped = replace(ONE, at=3.0, outcome="skipped", lab="small")
    for name, result in (("a", failed), ("b", passed), ("c", skipped)):
        (tmp_path / name).mkdir()
        keep(tmp_path / name, [result], tmp_path)
    assert merge(report, [tmp_path / name for name in "abc"]) == 1
    assert load(report) == {ONE.test: failed}
    assert merge(tmp_path / "c", [tmp_path / "b"]) == 1
    assert load(tmp_path / "c") == {ONE.test: passed}


@pytest.mark.parametrize(
    "text", [None, "", "{", "[1]", '[{"test": "x"}]', '{"a": 1}', json.dumps([{"other": 1}])]
)
def test_what_cannot_be_read_is_as_if_it_were_not(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    assert load(tmp_path) == {}
    keep(tmp_path, [ONE])
    assert load(tmp_path) == {ONE.test: ONE}

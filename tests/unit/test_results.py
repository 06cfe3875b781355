"""Results of tests: read from JUnit, kept over runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gkelab.results import TestResult, keep, load, node_id, read_junit, suite_of

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
        "tests/e2e/lab/test_uplink.py::test_z": "error",
    }
    failed = found["tests/unit/host/test_checks.py::test_one[a.b]"]
    assert failed == TestResult(failed.test, "unit", "failed", 0, "assert 1 == 2", 7.0, "small")
    assert [result.bad for result in found.values()] == [False, True, True, False, True]


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


ONE = TestResult("tests/unit/test_a.py::x", "unit", "passed", 0.1, "", 1.0, "")
TWO = replace(ONE, test="tests/unit/test_a.py::y", outcome="failed", message="no")


def test_a_later_run_replaces_its_own_tests_alone(tmp_path: Path) -> None:
    keep(tmp_path, [ONE, TWO])
    again = replace(ONE, outcome="failed", at=2.0)
    keep(tmp_path, [again])
    assert load(tmp_path) == {ONE.test: again, TWO.test: TWO}
    keep(tmp_path, [])
    assert len(load(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    "text", [None, "", "{", "[1]", '[{"test": "x"}]', '{"a": 1}', json.dumps([{"other": 1}])]
)
def test_what_cannot_be_read_is_as_if_it_were_not(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    assert load(tmp_path) == {}
    keep(tmp_path, [ONE])
    assert load(tmp_path) == {ONE.test: ONE}

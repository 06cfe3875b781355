"""Claims against results: when one is proven, failed, or neither."""

from __future__ import annotations

import json

import pytest

from gkelab.fidelity import CLAIMS, Claim
from gkelab.proof import as_data, counts, judge
from gkelab.results import TestResult

FILE = "tests/e2e/mesh/test_x.py"


def results(**outcomes: str) -> dict[str, TestResult]:
    """Results of tests of one file, by name."""
    listed = [
        TestResult(f"{FILE}::{name.replace('__', '[')}", "mesh", outcome, 1, "", 7, "small")
        for name, outcome in outcomes.items()
    ]
    return {result.test: result for result in listed}


def claim(*tests: str, absent: bool = False) -> Claim:
    named = tuple(f"{FILE}::{test}" for test in tests)
    return Claim("a", "https://d", "absent" if absent else "emulated", "b", tests=named)


@pytest.mark.parametrize(
    ("claim_", "outcomes", "state", "missing"),
    [
        (claim("test_a", "test_b"), {"test_a": "passed", "test_b": "passed"}, "proven", []),
        (claim("test_a", "test_b"), {"test_a": "passed"}, "unproven", ["test_b"]),
        (claim("test_a"), {}, "unproven", ["test_a"]),
        (claim(), {"test_a": "passed"}, "unproven", []),
        (claim("test_a"), {"test_a": "skipped"}, "unproven", ["test_a"]),
        # What is known to differ from GKE proves nothing of it.
        (claim("test_a"), {"test_a": "xfailed"}, "unproven", ["test_a"]),
        (claim("test_a"), {"test_a": "failed"}, "failed", []),
        (claim("test_a"), {"test_a": "error"}, "failed", []),
        (claim("test_a", "test_b"), {"test_a": "failed"}, "failed", ["test_b"]),
        # A test of several parameters: all must pass, those that are skipped do not count.
        (claim("test_a"), {"test_a__1]": "passed", "test_a__2]": "passed"}, "proven", []),
        (claim("test_a"), {"test_a__1]": "passed", "test_a__2]": "failed"}, "failed", []),
        (claim("test_a"), {"test_a__1]": "passed", "test_a__2]": "skipped"}, "proven", []),
        (claim("test_a"), {"test_a__1]": "passed", "test_a__2]": "xfailed"}, "proven", []),
        # A name that is only the beginning of another is not it.
        (claim("test_a"), {"test_a_b": "passed"}, "unproven", ["test_a"]),
        (claim(absent=True), {"test_a": "failed"}, "absent", []),
    ],
)
def test_states(claim_: Claim, outcomes: dict[str, str], state: str, missing: list[str]) -> None:
    (verdict,) = judge(results(**outcomes), [claim_])
    assert verdict.state == state
    assert list(verdict.missing) == [f"{FILE}::{test}" for test in missing]


def test_a_whole_file_may_be_named() -> None:
    named = Claim("a", "https://d", "emulated", "b", tests=(FILE,))
    (verdict,) = judge(results(test_a="passed", test_b="failed"), [named])
    assert (verdict.state, len(verdict.results)) == ("failed", 2)


def test_counts_have_every_state() -> None:
    verdicts = judge(results(test_a="passed"), [claim("test_a"), claim("test_b")])
    assert counts(verdicts) == {"proven": 1, "failed": 0, "unproven": 1, "absent": 0}


def test_without_results_nothing_is_proven() -> None:
    found = counts(judge({}))
    assert (found["proven"], found["failed"]) == (0, 0)
    assert sum(found.values()) == len(CLAIMS)


def test_as_data_it_is_json() -> None:
    data = json.loads(json.dumps(as_data(judge(results(test_a="passed"), [claim("test_a")]), 9)))
    assert data["counts"]["proven"] == 1
    (one,) = data["claims"]
    assert (one["state"], one["status"], one["doc"]) == ("proven", "emulated", "https://d")
    assert one["results"][0]["test"] == f"{FILE}::test_a"

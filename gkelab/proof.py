"""Sets the claims of fidelity.py against the last results of the tests that they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gkelab.fidelity import CLAIMS, Claim
from gkelab.results import TestResult

State = Literal["proven", "failed", "unproven", "absent"]
STATES: tuple[State, ...] = ("proven", "failed", "unproven", "absent")


@dataclass(frozen=True)
class Verdict:
    """A claim and what its tests came to: the results there are, and the named tests of which
    none passed or failed (never run here, skipped, or expected to fail)."""

    claim: Claim
    state: State
    results: tuple[TestResult, ...]
    missing: tuple[str, ...]


def judge(results: Mapping[str, TestResult], claims: Iterable[Claim] = CLAIMS) -> list[Verdict]:
    """A verdict on every claim, in their order."""
    return [_verdict(claim, list(results.values())) for claim in claims]


def counts(verdicts: Sequence[Verdict]) -> dict[State, int]:
    """How many claims are in each state."""
    found = Counter(verdict.state for verdict in verdicts)
    return {state: found[state] for state in STATES}


def as_data(verdicts: Sequence[Verdict], at: float) -> dict[str, Any]:
    """All of it as plain data; `at` is seconds since the epoch."""
    claims = [
        {
            **asdict(verdict.claim),
            "state": verdict.state,
            "results": [asdict(result) for result in verdict.results],
            "missing": list(verdict.missing),
        }
        for verdict in verdicts
    ]
    return {"at": at, "counts": counts(verdicts), "claims": claims}


def _verdict(claim: Claim, results: Sequence[TestResult]) -> Verdict:
    found = {test: [r for r in results if _is(test, r.test)] for test in claim.tests}
    every = tuple(result for each in found.values() for result in each)
    missing = tuple(
        test
        for test, each in found.items()
        if not any(result.outcome == "passed" or result.bad for result in each)
    )
    return Verdict(claim, _state(claim, every, missing), every, missing)


def _state(claim: Claim, results: Sequence[TestResult], missing: Sequence[str]) -> State:
    if claim.status == "absent":
        return "absent"
    if any(result.bad for result in results):
        return "failed"
    return "unproven" if missing or not results else "proven"


def _is(named: str, test: str) -> bool:
    """Whether a test is the named one: itself, one of its parameters, or a test inside of it."""
    return test == named or test.startswith((f"{named}[", f"{named}::"))

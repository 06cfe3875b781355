"""Bounds: against the distribution's definition, and that wrong splits are found."""

from math import comb

import pytest

from tests.support.stats import (
    ALPHA,
    binomial_bounds,
    requests_needed,
    split_problems,
    spread_problems,
)


def tail(n: int, p: float, counts: range) -> float:
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in counts)


@pytest.mark.parametrize("n", [1, 10, 50, 100])
@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [1e-6, 0.05])
def test_bounds_leave_out_as_much_as_they_may(n: int, p: float, alpha: float) -> None:
    low, high = binomial_bounds(n, p, alpha)
    assert 0 <= low <= high <= n
    assert tail(n, p, range(low)) <= alpha / 2
    assert tail(n, p, range(high + 1, n + 1)) <= alpha / 2
    # One step further in would leave out too much.
    assert tail(n, p, range(low + 1)) > alpha / 2
    assert tail(n, p, range(high, n + 1)) > alpha / 2


def test_bounds_at_the_ends() -> None:
    assert binomial_bounds(10, 0) == (0, 0)
    assert binomial_bounds(10, 1) == (10, 10)
    assert binomial_bounds(0, 0.5) == (0, 0)
    low, high = binomial_bounds(10_000, 0.5)
    assert 4700 < low < 4800 and 5200 < high < 5300
    for n, p, alpha in ((-1, 0.5, 0.1), (1, 1.5, 0.1), (1, -0.5, 0.1), (1, 0.5, 0), (1, 0.5, 1)):
        with pytest.raises(ValueError, match="no binomial distribution"):
            binomial_bounds(n, p, alpha)


def test_requests_needed_is_where_the_lower_bound_leaves_zero() -> None:
    for p in (0.05, 0.1, 1 / 3, 0.5, 0.9):
        n = requests_needed(p)
        assert binomial_bounds(n, p)[0] >= 1
        assert binomial_bounds(n - 1, p)[0] == 0


def test_splits() -> None:
    weights = {"v1": 90, "v2": 10}
    assert split_problems({"v1": 362, "v2": 38}, weights) == []
    assert split_problems(["v1"] * 362 + ["v2"] * 38, weights) == []
    wrong = split_problems({"v1": 200, "v2": 200}, weights)
    assert [problem.split(" of ")[0] for problem in wrong] == [
        "v1 answered 200",
        "v2 answered 200",
    ]
    missing = split_problems({"v1": 400}, weights)
    assert any(problem.startswith("v2 answered 0 of 400; 10.0% would be") for problem in missing)
    stranger = split_problems({"v1": 362, "v2": 38, "old": 1}, weights)
    assert stranger == ["old answered 1 of 401, but is no member"]


def test_weight_zero_must_not_answer() -> None:
    assert split_problems({"v1": 5}, {"v1": 1, "v2": 0}) == []
    assert split_problems({"v1": 5, "v2": 1}, {"v1": 1, "v2": 0}) == [
        "v1 answered 5 of 6; 100.0% would be 6 to 6",
        "v2 answered 1 of 6; 0.0% would be 0 to 0",
    ]


def test_too_few_tries_are_no_check() -> None:
    needed = requests_needed(0.5, ALPHA / 2)
    assert spread_problems({"a": needed // 2, "b": needed - needed // 2}, ["a", "b"]) == []
    with pytest.raises(ValueError, match=f"at least {needed} can"):
        spread_problems({"a": needed - 1}, ["a", "b"])
    with pytest.raises(ValueError, match="at least 1 can"):
        split_problems({}, {"a": 1})
    for weights in ({"a": 0.0}, {"a": -1.0, "b": 2.0}):
        with pytest.raises(ValueError, match="weights must not be negative"):
            split_problems({"a": 1}, weights)


def test_spread() -> None:
    members = ["a", "b", "c"]
    assert spread_problems({"a": 100, "b": 100, "c": 100}, members) == []
    assert spread_problems({"a": 150, "b": 150}, members) != []
    assert spread_problems(["a"] * 200 + ["b"] * 50 + ["c"] * 50, members) != []

"""Bounds for counts that chance makes: weighted splits and even spreading, without flakes.

A share is right when its count lies where a fair split would put it with probability 1 - alpha.
With the default alpha a right split fails once in a million runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

ALPHA = 1e-6


def binomial_bounds(n: int, p: float, alpha: float = ALPHA) -> tuple[int, int]:
    """The least and the greatest count of successes in `n` tries of probability `p`, with at most
    alpha/2 left out on each side. Exact, by summing the distribution; n in the thousands is fine.
    Raises ValueError for what is no number of tries, no probability or no alpha."""
    if n < 0 or not 0 <= p <= 1 or not 0 < alpha < 1:
        raise ValueError(f"no binomial distribution: n={n}, p={p}, alpha={alpha}")
    return _least(n, p, alpha / 2), n - _least(n, 1 - p, alpha / 2)


def _least(n: int, p: float, tail: float) -> int:
    """The smallest k with P(X <= k) > tail."""
    below = 0.0
    for k in range(n + 1):
        below += _chance(n, k, p)
        if below > tail:
            return k
    return n


def _chance(n: int, k: int, p: float) -> float:
    if p in {0, 1}:
        return float(k == n * p)
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def requests_needed(p: float, alpha: float = ALPHA) -> int:
    """How many tries a share of `p` (0 < p < 1) needs for its absence to be noticed."""
    return math.floor(math.log(alpha / 2) / math.log1p(-p)) + 1


def split_problems(
    answered: Iterable[str] | Mapping[str, int],
    weights: Mapping[str, float],
    alpha: float = ALPHA,
) -> list[str]:
    """What is wrong with a weighted split, a sentence a share; empty if nothing.

    `answered` is who answered, one by one or counted; `weights` are every member's, in any unit,
    0 for one that must not answer. The chance of error is `alpha` for all members together.
    Raises ValueError when the tries are too few to notice that a member never answers: such a
    check could not fail.
    """
    counts = Counter(answered)
    n, total = sum(counts.values()), sum(weights.values())
    if total <= 0 or min(weights.values()) < 0:
        raise ValueError(f"weights must not be negative, nor all zero: {dict(weights)}")
    each = alpha / len(weights)
    shares = {name: weight / total for name, weight in weights.items()}
    needed = max(requests_needed(p, each) if 0 < p < 1 else 1 for p in shares.values())
    if n < needed:
        raise ValueError(f"{n} tries cannot show a missing share; at least {needed} can")
    problems = [
        f"{name} answered {counts[name]} of {n}, but is no member"
        for name in counts
        if name not in weights
    ]
    for name, p in shares.items():
        low, high = binomial_bounds(n, p, each)
        if not low <= counts[name] <= high:
            problems.append(
                f"{name} answered {counts[name]} of {n}; {p:.1%} would be {low} to {high}"
            )
    return problems


def spread_problems(
    answered: Iterable[str] | Mapping[str, int], members: Iterable[str], alpha: float = ALPHA
) -> list[str]:
    """As `split_problems`, where every member has the same weight. Also right for spreading that
    is more even than chance (round robin)."""
    return split_problems(answered, dict.fromkeys(members, 1.0), alpha)

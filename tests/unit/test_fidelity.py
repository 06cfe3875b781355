"""The list of claims: each names a page of Google's and tests that exist, and the README has it."""

from __future__ import annotations

import pytest

from gkelab.fidelity import CLAIMS, Claim, table
from gkelab.report import README, with_table
from gkelab.supply.pins import ROOT
from gkelab.tree import there

TESTS = [test for claim in CLAIMS for test in claim.tests]


@pytest.mark.parametrize("test", sorted(set(TESTS)))
def test_each_named_test_exists(test: str) -> None:
    assert there([test], ROOT)


def test_every_claim_says_what_stands_for_it_and_what_is_absent_nothing() -> None:
    for claim in CLAIMS:
        assert bool(claim.how) is (claim.status != "absent"), claim.text
        assert not (claim.status == "absent" and claim.tests), claim.text
        assert claim.status != "absent" or claim.limits in ("", "not yet"), claim.text
        assert claim.status != "approximated" or claim.limits, f"{claim.text}: how does it differ?"


def test_every_claim_of_what_is_there_has_a_test() -> None:
    assert [claim.text for claim in CLAIMS if claim.status != "absent" and not claim.tests] == []


def test_no_claim_is_there_twice_and_no_claim_names_a_test_twice() -> None:
    texts = [claim.text for claim in CLAIMS]
    assert len(set(texts)) == len(texts)
    assert all(len(set(claim.tests)) == len(claim.tests) for claim in CLAIMS)


def test_documents_are_googles_own_and_of_no_language_or_reader() -> None:
    for claim in CLAIMS:
        assert claim.doc.startswith("https://cloud.google.com/"), claim.text
        assert "?" not in claim.doc


def test_the_readme_is_the_list() -> None:
    """After a change of the list: invoke report --readme."""
    text = README.read_text()
    assert with_table(text) == text


def test_the_table() -> None:
    claims = [
        Claim("A `b`", "https://d/a", "emulated", "by c", tests=("x",)),
        Claim("Two | one", "https://d/b", "approximated", "so", "less"),
        Claim("None", "https://d/c", "absent"),
        Claim("Soon", "https://d/d", "absent", limits="not yet"),
    ]
    assert table(claims).splitlines()[2:] == [
        "| [A `b`](https://d/a) | by c | emulated |",
        "| [Two \\| one](https://d/b) | so | approximated: less |",
        "| [None](https://d/c) |  | absent |",
        "| [Soon](https://d/d) |  | absent: not yet |",
    ]

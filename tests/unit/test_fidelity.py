"""The list of claims: each names a page of Google's and tests that exist, and the README has it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from gkelab.fidelity import CLAIMS, Claim, table
from gkelab.report import README, with_table
from gkelab.supply.pins import ROOT

TESTS = [test for claim in CLAIMS for test in claim.tests]


def named_in(module: str, body: list[ast.stmt]) -> Iterator[str]:
    """The node ids of a module's tests, and of the classes that have some."""
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield f"{module}::{node.name}"
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield f"{module}::{node.name}"
            yield from named_in(f"{module}::{node.name}", node.body)


def exists(test: str) -> bool:
    """Whether there is a test of that node id, by the code alone; a parameter is not looked at."""
    module = test.partition("::")[0]
    file = ROOT / module
    if not file.exists():
        return False
    named = test.partition("[")[0]
    return named == module or named in named_in(module, ast.parse(file.read_text()).body)


@pytest.mark.parametrize("test", sorted(set(TESTS)))
def test_each_named_test_exists(test: str) -> None:
    assert exists(test)


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/unit/test_fidelity.py::test_each_named_test_exists", True),
        ("tests/unit/test_fidelity.py::test_each_named_test_exists[x]", True),
        ("tests/unit/test_fidelity.py", True),
        ("tests/unit/test_fidelity.py::test_each_named_test", False),
        ("tests/unit/test_fidelity.py::exists", False),
        ("tests/unit/test_nothing.py::test_x", False),
    ],
)
def test_what_exists(test: str, there: bool) -> None:
    assert exists(test) is there


def test_every_claim_says_what_stands_for_it_and_what_is_absent_nothing() -> None:
    for claim in CLAIMS:
        assert bool(claim.how) is (claim.status != "absent"), claim.text
        assert not (claim.status == "absent" and (claim.tests or claim.limits)), claim.text
        assert claim.status != "approximated" or claim.limits, f"{claim.text}: how does it differ?"


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
    ]
    assert table(claims).splitlines()[2:] == [
        "| [A `b`](https://d/a) | by c | emulated |",
        "| [Two \\| one](https://d/b) | so | approximated: less |",
        "| [None](https://d/c) |  | absent |",
    ]

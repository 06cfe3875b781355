"""The matrix: rules, comparison, grids."""

from collections.abc import Sequence

import pytest

from tests.support.matrix import Matrix, compare, observe_rows
from tests.support.outcomes import Answer, Outcome, broken

PODS = ["x/a", "x/b", "y/a"]
OK, LATE = Answer(Outcome.OK), Answer(Outcome.TIMEOUT, detail="timed out")


def matrix() -> Matrix:
    return Matrix(PODS, PODS)


def all_ok(expected: Matrix) -> dict[tuple[str, str], Answer]:
    return dict.fromkeys(expected.cells(), OK)


def test_all_is_allowed_at_first() -> None:
    assert {matrix().expected(*cell) for cell in matrix().cells()} == {Outcome.OK}
    assert not compare(matrix(), all_ok(matrix()))
    assert compare(matrix(), {**all_ok(matrix()), ("x/a", "y/a"): LATE}).wrong == (("x/a", "y/a"),)


def test_later_rules_win() -> None:
    expected = matrix().deny("*", "y/*").allow("x/b", "y/a").deny("x/a", "x/b", Outcome.REFUSED)
    denied = {cell: expected.expected(*cell) for cell in expected.cells()}
    assert {cell: outcome for cell, outcome in denied.items() if outcome is not Outcome.OK} == {
        ("x/a", "y/a"): Outcome.TIMEOUT,
        ("y/a", "y/a"): Outcome.TIMEOUT,
        ("x/a", "x/b"): Outcome.REFUSED,
    }


def test_several_selectors() -> None:
    expected = matrix().deny(["x/a", "y/*"], ("x/b",))
    assert [cell for cell in expected.cells() if expected.expected(*cell) is not Outcome.OK] == [
        ("x/a", "x/b"),
        ("y/a", "x/b"),
    ]


def test_a_selector_that_selects_nothing_is_refused() -> None:
    for call in (matrix().allow, matrix().deny, matrix().ignore):
        for cell in (("z/*", "*"), ("*", "z/*"), (["x/a", "nope"], "*")):
            with pytest.raises(ValueError, match="matches none of x/a, x/b, y/a"):
                call(*cell)


def test_names_must_differ() -> None:
    for names in (["a", "a"], []):
        with pytest.raises(ValueError, match="names must be there and be different"):
            Matrix(names, PODS)
        with pytest.raises(ValueError, match="names must be there and be different"):
            Matrix(PODS, names)


def test_only_the_named_outcome_satisfies_a_deny() -> None:
    expected = Matrix(["a"], ["b"]).deny("a", "b", Outcome.TIMEOUT)
    for outcome in Outcome:
        difference = compare(expected, {("a", "b"): Answer(outcome)})
        assert bool(difference) is (outcome is not Outcome.TIMEOUT)


def test_a_broken_probe_equals_nothing() -> None:
    for outcome in (Outcome.PROBE_BROKEN, Outcome.OK):
        with pytest.raises(ValueError, match="not a way to be denied"):
            matrix().deny("*", "*", outcome)
    assert compare(Matrix(["a"], ["b"]), {("a", "b"): broken("no exec")})
    assert compare(Matrix(["a"], ["b"]).deny("a", "b"), {("a", "b"): broken("no exec")})


def test_what_was_not_probed_differs_and_what_is_ignored_does_not() -> None:
    expected = Matrix(["a"], ["b", "c"])
    assert compare(expected, {("a", "b"): OK}).wrong == (("a", "c"),)
    assert not compare(expected.ignore("a", "c"), {("a", "b"): OK})
    assert not compare(expected, {("a", "b"): OK, ("a", "c"): LATE})
    with pytest.raises(ValueError, match="not in the matrix: a to d"):
        compare(expected, {("a", "b"): OK, ("a", "d"): OK})


def test_three_grids() -> None:
    expected = matrix().deny("x/*", "y/a").ignore("y/a", "y/a")
    seen = {**all_ok(expected), ("x/b", "y/a"): LATE, ("y/a", "x/a"): broken("exec failed")}
    del seen["x/b", "x/b"]
    assert str(compare(expected, seen)) == "\n".join(
        [
            "expected:",
            "     x/a  x/b  y/a",
            "x/a  +    +    T",
            "x/b  +    +    T",
            "y/a  +    +    _",
            "",
            "observed:",
            "     x/a  x/b  y/a",
            "x/a  +    +    +",
            "x/b  +    ?    T",
            "y/a  !    +    _",
            "",
            "difference (expected>observed):",
            "     x/a  x/b  y/a",
            "x/a  .    .    T>+",
            "x/b  .    +>?  .",
            "y/a  +>!  .    _",
            "",
            "+ OK, T TIMEOUT, ! PROBE_BROKEN, ? not probed, _ ignored, . as expected",
            "x/a to y/a: expected TIMEOUT, saw OK",
            "x/b to x/b: expected OK, was not probed",
            "y/a to x/a: expected OK, saw PROBE_BROKEN (exec failed)",
        ]
    )


def test_wide_grids_have_numbers_and_many_sentences_are_cut() -> None:
    names = [f"some-namespace/some-pod-{number}:80" for number in range(12)]
    expected = Matrix(["a"], names)
    text = str(compare(expected, dict.fromkeys(expected.cells(), LATE)))
    assert max(len(line) for line in text.splitlines()) <= 100
    assert f"  12 = {names[11]}" in text.splitlines()
    assert text.endswith("\nand 2 more")
    assert text.count("saw TIMEOUT (timed out)") == 10


def test_rows_are_of_what_is_compared() -> None:
    expected = matrix().deny("x/a", "y/a").ignore("y/a", "*")
    rows: list[tuple[str, list[str]]] = []

    def row(source: str, targets: Sequence[str]) -> list[Answer]:
        rows.append((source, list(targets)))
        return [LATE if (source, target) == ("x/a", "y/a") else OK for target in targets]

    seen = observe_rows(expected, row)
    assert list(seen) == expected.compared()
    assert not compare(expected, seen)
    assert sorted(rows) == [("x/a", PODS), ("x/b", PODS)]
    assert compare(expected, observe_rows(expected, lambda _, targets: [OK] * len(targets)))
    with pytest.raises(ValueError, match="zip"):
        observe_rows(expected, lambda source, targets: [OK])

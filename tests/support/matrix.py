"""A reachability matrix: who reaches whom and how a try ends. Pure data, compared and printed.

As in Kubernetes' own network policy tests: a test names its pods, starts from "all allowed",
carves out exceptions, and compares what it saw with that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.support.outcomes import Answer, Outcome

Cell = tuple[str, str]

SYMBOLS = {
    Outcome.OK: "+",
    Outcome.TIMEOUT: "T",
    Outcome.REFUSED: "R",
    Outcome.RESET: "Z",
    Outcome.HTTP_ERROR: "H",
    Outcome.UNREACHABLE: "U",
    Outcome.DNS_ERROR: "D",
    Outcome.TLS_ERROR: "S",
    Outcome.TOO_LONG: "L",
    Outcome.PROBE_BROKEN: "!",
}
SAME, IGNORED, MISSING = ".", "_", "?"
_WIDEST = 100
_SENTENCES = 10


class Matrix:
    """What is expected of every source and target; all OK at first.

    Selectors are glob patterns over the names ("x/*"), or a list of them; a pattern that no name
    matches raises ValueError, since it would make a rule that says nothing. Later rules win.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        for names in (sources, targets):
            if not names or len(set(names)) != len(names):
                raise ValueError(f"names must be there and be different: {', '.join(names)}")
        self.sources = tuple(sources)
        self.targets = tuple(targets)
        self._cells = {cell: Outcome.OK for cell in self.cells()}
        self._ignored: set[Cell] = set()

    def cells(self) -> Iterator[Cell]:
        """Every source and target, a row after the other."""
        return ((source, target) for source in self.sources for target in self.targets)

    def compared(self) -> list[Cell]:
        """The cells that are not ignored."""
        return [cell for cell in self.cells() if cell not in self._ignored]

    def expected(self, source: str, target: str) -> Outcome:
        """How a try from `source` to `target` shall end."""
        return self._cells[source, target]

    def allow(self, source: str | Iterable[str], target: str | Iterable[str]) -> Matrix:
        """Expect OK there. Changes this matrix and returns it."""
        return self._set(source, target, Outcome.OK)

    def deny(
        self,
        source: str | Iterable[str],
        target: str | Iterable[str],
        outcome: Outcome = Outcome.TIMEOUT,
    ) -> Matrix:
        """Expect this outcome there. Changes this matrix and returns it."""
        if outcome in {Outcome.OK, Outcome.PROBE_BROKEN}:
            raise ValueError(f"{outcome} is not a way to be denied")
        return self._set(source, target, outcome)

    def ignore(self, source: str | Iterable[str], target: str | Iterable[str]) -> Matrix:
        """Neither probe nor compare there. Changes this matrix and returns it."""
        self._ignored.update(self._chosen(source, target))
        return self

    def _set(
        self, source: str | Iterable[str], target: str | Iterable[str], outcome: Outcome
    ) -> Matrix:
        self._cells.update(dict.fromkeys(self._chosen(source, target), outcome))
        return self

    def _chosen(self, source: str | Iterable[str], target: str | Iterable[str]) -> list[Cell]:
        rows, columns = _matching(source, self.sources), _matching(target, self.targets)
        return [(row, column) for row in rows for column in columns]


def _matching(selector: str | Iterable[str], names: Sequence[str]) -> list[str]:
    patterns = [selector] if isinstance(selector, str) else list(selector)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{pattern} matches none of {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


Observed = Mapping[Cell, Answer]


@dataclass(frozen=True)
class Difference:
    """The cells where what was seen is not what was expected; false when there is none."""

    expected: Matrix
    observed: Observed = field(repr=False)
    wrong: tuple[Cell, ...]

    def __bool__(self) -> bool:
        return bool(self.wrong)

    def __str__(self) -> str:
        """Three grids, a legend, and the first ten wrong cells as sentences."""
        matrix = self.expected
        seen = {cell: _seen(self.observed, cell) for cell in matrix.compared()}
        marks = {cell: SYMBOLS[matrix.expected(*cell)] for cell in matrix.compared()}
        off = {cell: f"{marks[cell]}>{seen[cell]}" for cell in self.wrong}
        same = dict.fromkeys(matrix.compared(), SAME)
        used = {*seen.values(), *marks.values()}
        parts = [
            *_grid("expected", matrix, marks),
            *_grid("observed", matrix, seen),
            *_grid("difference (expected>observed)", matrix, {**same, **off}),
            _legend(used, ignored=len(marks) < len(list(matrix.cells()))),
            *(self._sentence(cell) for cell in self.wrong[:_SENTENCES]),
        ]
        more = len(self.wrong) - _SENTENCES
        return "\n".join([*parts, f"and {more} more"] if more > 0 else parts)

    def _sentence(self, cell: Cell) -> str:
        source, target = cell
        answer = self.observed.get(cell)
        detail = f" ({answer.detail})" if answer and answer.detail else ""
        seen = f"saw {answer.outcome}{detail}" if answer else "was not probed"
        return f"{source} to {target}: expected {self.expected.expected(*cell)}, {seen}"


def _seen(observed: Observed, cell: Cell) -> str:
    return SYMBOLS[observed[cell].outcome] if cell in observed else MISSING


def _grid(title: str, matrix: Matrix, marks: Mapping[Cell, str]) -> list[str]:
    names = list(matrix.targets)
    left = max(len(source) for source in matrix.sources)
    key = []
    if left + sum(len(name) + 2 for name in names) > _WIDEST:
        key = [f"  {number} = {name}" for number, name in enumerate(names, 1)]
        names = [str(number) for number in range(1, len(names) + 1)]
    widths = [max(len(name), 3) for name in names]
    head = " " * left + "".join(f"  {n:<{w}}" for n, w in zip(names, widths, strict=True))
    lines = [f"{title}:", head.rstrip()]
    for source in matrix.sources:
        row = [marks.get((source, target), IGNORED) for target in matrix.targets]
        cells = "".join(f"  {mark:<{width}}" for mark, width in zip(row, widths, strict=True))
        lines.append(f"{source:<{left}}{cells}".rstrip())
    return [*lines, *key, ""]


def _legend(used: set[str], *, ignored: bool) -> str:
    words = [f"{mark} {outcome}" for outcome, mark in SYMBOLS.items() if mark in used]
    words += [f"{MISSING} not probed"] if MISSING in used else []
    words += [f"{IGNORED} ignored"] if ignored else []
    return ", ".join([*words, f"{SAME} as expected"])


def compare(expected: Matrix, observed: Observed) -> Difference:
    """What differs. A broken probe and a cell that was not probed differ from everything.
    Raises ValueError for a cell that the matrix does not have."""
    strange = [cell for cell in observed if cell not in set(expected.cells())]
    if strange:
        raise ValueError(f"not in the matrix: {', '.join(' to '.join(cell) for cell in strange)}")
    wrong = [cell for cell in expected.compared() if not _as_expected(expected, observed, cell)]
    return Difference(expected, observed, tuple(wrong))


def _as_expected(expected: Matrix, observed: Observed, cell: Cell) -> bool:
    answer = observed.get(cell)
    if answer is None or answer.outcome is Outcome.PROBE_BROKEN:
        return False
    return answer.outcome is expected.expected(*cell)


def observe_rows(
    matrix: Matrix,
    probe_row: Callable[[str, Sequence[str]], Sequence[Answer]],
    *,
    threads: int = 8,
) -> dict[Cell, Answer]:
    """Probe every cell that is compared, several sources at once: `probe_row` takes one and its
    targets and returns an answer each, as one `probe_many` does. Raises ValueError where their
    numbers differ."""
    rows: dict[str, list[str]] = {}
    for source, target in matrix.compared():
        rows.setdefault(source, []).append(target)
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda row: probe_row(*row), rows.items()))
    return {
        (source, target): answer
        for (source, targets), answers in zip(rows.items(), found, strict=True)
        for target, answer in zip(targets, answers, strict=True)
    }

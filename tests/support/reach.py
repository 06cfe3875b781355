"""Who reaches whom, looked at as a whole: named sources, named targets, a matrix of answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.support.eventually import eventually_all
from tests.support.matrix import Cell, Matrix, Observed, observe_rows
from tests.support.outcomes import Answer, Outcome
from tests.support.prober import Prober
from tests.support.probes import Place, Probe
from tests.support.say import expect
from tests.support.timeouts import TIMEOUTS


@dataclass(frozen=True)
class Target:
    """Where a probe goes, and who shall answer: a pod's or a host's name, "" where the answer
    does not say. `namespace` is checked with it if given."""

    probe: Probe
    who: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Source:
    """Where probes come from, and the addresses that a server may see them come from."""

    prober: Prober
    addresses: Collection[str]


@dataclass
class Reach:
    """Sources and targets. `skipped` cells are neither probed nor compared; `own` cells are a
    source's way to itself, which nothing may close."""

    sources: dict[str, Source] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    skipped: set[Cell] = field(default_factory=set)
    own: set[Cell] = field(default_factory=set)
    _stack: ExitStack = field(default_factory=ExitStack)

    def source(self, name: str, place: Place, addresses: Collection[str]) -> None:
        """Add a source."""
        prober = self._stack.enter_context(Prober(place))
        self.sources[name] = Source(prober, addresses)

    def close(self) -> None:
        """End the probers."""
        self._stack.close()

    def matrix(self) -> Matrix:
        """All of it, expected to be open."""
        matrix = Matrix(list(self.sources), list(self.targets))
        for cell in self.skipped:
            matrix.ignore(*cell)
        return matrix

    def with_own(self, matrix: Matrix) -> Matrix:
        """The matrix, with the ways to oneself open."""
        for cell in self.own:
            matrix.allow(*cell)
        return matrix

    def look(self, matrix: Matrix) -> dict[Cell, Answer]:
        """Probe what is compared. Raises AssertionError where another answered than should, or
        saw another source: no policy does that, so no waiting mends it."""

        def row(source: str, targets: Sequence[str]) -> list[Answer]:
            probes = [self.targets[target].probe for target in targets]
            return self.sources[source].prober.many(probes)

        seen = observe_rows(matrix, row)
        for cell, answer in seen.items():
            if answer.outcome is Outcome.OK:
                self._check(cell, answer)
        return seen

    def until_seen(
        self, matrix: Matrix, *, what: str, in_a_row: int = 1, timeout: float = TIMEOUTS.datapath
    ) -> Observed:
        """As `eventually_all`."""
        return eventually_all(
            lambda: self.look(matrix), matrix, what=what, timeout=timeout, in_a_row=in_a_row
        )

    def _check(self, cell: Cell, answer: Answer) -> None:
        source, target = self.sources[cell[0]], self.targets[cell[1]]
        if not target.who:
            return
        expect(answer, who=target.who, saw=source.addresses, from_=cell[0], to=cell[1])
        there = (answer.body or {}).get("namespace", "")
        if target.namespace and there != target.namespace:
            raise AssertionError(f"from {cell[0]} to {cell[1]}: {target.who} of {there} answered")


def same(one: Matrix, other: Matrix) -> bool:
    """Whether both expect the same of the same cells."""

    def cells(matrix: Matrix) -> Mapping[Cell, Outcome]:
        return {cell: matrix.expected(*cell) for cell in matrix.compared()}

    return cells(one) == cells(other)

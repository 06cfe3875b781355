"""A prober that stays in its place, for tests that look again and again: without an exec and a
Python's start each time, a look costs what its probes cost."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.support.dialog import Dialog, DialogError
from tests.support.inpod import probe as inpod
from tests.support.outcomes import Answer, broken
from tests.support.places import Place
from tests.support.probes import SCRIPT, Probe, answers, as_json, asked, time_limit


class Prober:
    """Makes probes from a place. It starts with the first ones, and anew after a failure."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._dialog: Dialog | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def many(self, probes: Sequence[Probe]) -> list[Answer]:
        """All these probes at once; the answers are in the probes' order. Never raises: where the
        place did not answer, all of them are broken."""
        if not probes:
            return []
        try:
            if self._dialog is None:
                script = SCRIPT.read_text(encoding="utf-8")
                self._dialog = Dialog(self.place, ["python3", "-c", script, inpod.STAY])
            said = self._dialog.ask(as_json(probes), time_limit(probes))
        except DialogError as error:
            self.close()
            return [broken(str(error))] * len(probes)
        found = answers(said)
        if len(found) == len(probes):
            return asked(found, self.place, probes)
        self.close()
        return [broken(f"no verdict from {self.place.name}: {said[:200]}")] * len(probes)

    def one(self, probe: Probe) -> Answer:
        """One probe's answer."""
        return self.many([probe])[0]

    def close(self) -> None:
        """End what runs in the place; another probe would start it again."""
        if self._dialog is not None:
            self._dialog.close()
        self._dialog = None

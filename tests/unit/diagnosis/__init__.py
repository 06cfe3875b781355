"""What tests of the diagnosis share: running all that sources give, as text by path."""

from __future__ import annotations

from collections.abc import Sequence

from gkelab.diagnosis.bundle import Collector, Source


def collectors(sources: Sequence[Source]) -> list[Collector]:
    """The collectors, those of groups included."""
    found: list[Collector] = []
    for source in sources:
        found += [source] if isinstance(source, Collector) else collectors(source.expand())
    return found


def gathered(sources: Sequence[Source]) -> dict[str, str]:
    """Every file's text, as collectors give it: not scrubbed yet."""
    return {collector.path: collector.gather() for collector in collectors(sources)}

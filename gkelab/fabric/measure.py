"""The bench's order: levels of rules and routes, and at each the two ways in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gkelab.errors import LabError
from gkelab.fabric.figures import (
    ASKS,
    CONNECTS,
    MEASURES,
    STREAM,
    Fates,
    Sample,
    ask_sample,
    flatness,
    idle_cpus,
    mean_of,
    percentile,
    ratio,
    stream_sample,
)
from gkelab.fabric.stage import Stage, Way
from gkelab.fabric.writes import measure_writes

# Of each way in a turn, second by second in turns with the other ways: what disturbs a machine
# for a while disturbs all of them.
SECONDS = {STREAM: 4, ASKS: 4, CONNECTS: 2}
QUIET = 3
LISTS = 20
ROUTER, BRIDGE, DIRECT = "router", "bridge", "direct"
FIRST = "10 rules"
# Rules of the bench's own, and alias ranges, by what a person reads of it.
LEVELS = {FIRST: (10, 0), "100 rules": (100, 0), "1,000 rules": (1000, 0)}
FULL = "1,000 rules and 1,000 alias routes"
RULES, ALIASES = 1000, 1000

# By way, by measure: a sample a turn.
Turns = Mapping[str, Mapping[str, list[Sample]]]
Say = Callable[[str], None]


@dataclass
class Figures:
    """All that was measured: the turns by level (router and bridge), those of router and direct
    routes, the packets' fates under writes, and the seconds of each listing."""

    levels: dict[str, Turns] = field(default_factory=dict)
    past: Turns = field(default_factory=dict)
    writes: Fates | None = None
    lists: list[float] = field(default_factory=list)

    def against(self, level: str, measure: str) -> float:
        """The router's value over the bridge's at a level."""
        return compare(self.levels[level], ROUTER, BRIDGE, measure)

    def against_direct(self, measure: str) -> float:
        """The router's value over that of direct routes."""
        return compare(self.past, ROUTER, DIRECT, measure)

    def flat(self, measure: str) -> float:
        """The slowest level's ratio over the first one's."""
        return flatness({level: self.against(level, measure) for level in self.levels})

    def cpu(self, way: str) -> float | None:
        """CPU seconds a Gbit, the median of all turns."""
        turns = [*self.levels.values(), self.past]
        found = [s.cpu for turn in turns for s in turn.get(way, {}).get(STREAM, [])]
        known = [value for value in found if value is not None]
        return median(known) if known else None

    def delay(self, percent: float) -> float:
        """Seconds from a write's return to its being in the packets' way; infinite where one was
        not before the next write."""
        delays = self.writes.delays if self.writes else ()
        return percentile([float("inf") if d is None else d for d in delays], percent)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "levels": {level: plain(turns) for level, turns in self.levels.items()},
            "direct": plain(self.past),
            "writes": None if self.writes is None else vars(self.writes),
            "lists": self.lists,
        }


def compare(turns: Turns, those: str, these: str, measure: str) -> float:
    """The median ratio of two ways, turn by turn."""
    left, right = turns[those][measure], turns[these][measure]
    return ratio([sample.value for sample in left], [sample.value for sample in right])


def plain(turns: Turns) -> dict[str, Any]:
    """Turns as plain data."""
    return {
        way: {measure: [vars(sample) for sample in samples] for measure, samples in by.items()}
        for way, by in turns.items()
    }


def measure(stage: Stage, runs: int, writes: int, say: Say) -> Figures:
    """All of it. Raises LabError when a probe fails, or a way is not what it should be."""
    figures = Figures()
    ways = {ROUTER: stage.pods, BRIDGE: stage.bridge}
    for level, (rules, _) in LEVELS.items():
        stage.have_rules(rules)
        figures.levels[level] = turns(stage, ways, MEASURES, runs)
        say(line(level, figures.levels[level], ROUTER, BRIDGE))
        if level == FIRST:
            figures.past = past_the_router(stage, runs)
            say(line("direct routes", figures.past, ROUTER, DIRECT))
    figures.lists = [listing(stage) for _ in range(LISTS)]
    stage.have_denials()
    figures.writes = measure_writes(stage, writes)
    say(f"  {writes} writes: half within {figures.delay(50) * 1000:.0f} ms")
    stage.have_aliases(ALIASES)
    figures.levels[FULL] = turns(stage, ways, MEASURES, runs)
    say(line(FULL, figures.levels[FULL], ROUTER, BRIDGE))
    return figures


def turns(
    stage: Stage,
    ways: Mapping[str, Way],
    measures: Sequence[str],
    runs: int,
    before: Callable[[str], None] = lambda way: None,
) -> Turns:
    """Each measure of each way in turns, `runs` times; `before` makes a way what it is."""
    found: dict[str, dict[str, list[Sample]]] = {way: {m: [] for m in measures} for way in ways}
    for _ in range(runs):
        idle = idle_cpus(stage.probe(stage.bridge, ["quiet", f"--seconds={QUIET}"], QUIET))
        for one in measures:
            parts: dict[str, list[Sample]] = {name: [] for name in ways}
            for _ in range(SECONDS[one]):
                for name, way in ways.items():
                    before(name)
                    parts[name].append(sample(stage, way, one, idle))
            for name, part in parts.items():
                found[name][one].append(mean_of(part))
    return found


def sample(stage: Stage, way: Way, measure: str, idle: float) -> Sample:
    """One measure of one way, for a second."""
    if measure == STREAM:
        return stream_sample(stage.probe(way, ["throughput", way.host, "--seconds=1"], 1), idle)
    fresh = ["--fresh"] if measure == CONNECTS else []
    return ask_sample(stage.probe(way, ["ask", way.host, "--seconds=1", *fresh], 1))


def past_the_router(stage: Stage, runs: int) -> Turns:
    """Pod to pod through the router and by direct routes, in turns. LabError when a packet's time
    to live says that they are the same way."""
    ways = {ROUTER: stage.pods, DIRECT: stage.pods}

    def before(way: str) -> None:
        stage.route(direct=way == DIRECT)

    with stage.open_ports():
        left = {}
        for way in ways:
            before(way)
            left[way] = stage.ttl()
        if left[DIRECT] != left[ROUTER] + 1:
            raise LabError(
                f"Direct routes are not one hop less than the router's: the time to live is"
                f" {left[DIRECT]}, and {left[ROUTER]} by the router"
            )
        return turns(stage, ways, MEASURES, runs, before)


def listing(stage: Stage) -> float:
    """Seconds for a list of all firewall rules. LabError unless they are there."""
    began = time.monotonic()
    found = stage.cloud.list_of("firewalls", "global")
    took = time.monotonic() - began
    if len(found) < RULES:
        raise LabError(f"The list of firewall rules has {len(found)}, and {RULES} were made")
    return took


def line(what: str, turns: Turns, those: str, these: str) -> str:
    """What a person sees of it meanwhile."""
    told = (f"{measure} {compare(turns, those, these, measure):.2f}" for measure in MEASURES)
    return f"  {what}, {those} ÷ {these}: {', '.join(told)}"

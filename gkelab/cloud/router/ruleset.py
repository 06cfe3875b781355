"""A table of nftables as data: its text, and what changes one into another.

Everything is done in one transaction, so that no packet ever meets half of a change, and what a
change does not name (counters, connections) stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

FAMILY, TABLE = "ip", "gkelab"
# Elements a command: nft's parser takes long with very long lists of one line.
CHUNK = 2000


@dataclass(frozen=True)
class Set:
    """A set, or a map: what its keys are made of, and its elements with their values ("" where
    it is a set)."""

    type: str
    interval: bool
    elements: Mapping[str, str]

    @property
    def word(self) -> str:
        """What nft calls it."""
        return "map" if ":" in self.type else "set"

    def header(self) -> str:
        """Its declaration without elements."""
        return f"{self.type}; {'flags interval; ' if self.interval else ''}"


@dataclass(frozen=True)
class Chain:
    """A chain: where it hooks in ("" for one that others call), and its rules."""

    hook: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Ruleset:
    """The whole table."""

    counters: frozenset[str] = frozenset()
    sets: Mapping[str, Set] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)

    def text(self, counted: Mapping[str, tuple[int, int]] | None = None) -> str:
        """What replaces whatever the table was, at once; counters begin with what they had
        (packets, bytes)."""
        return "".join(
            f"{line}\n"
            for line in (
                f"add table {FAMILY} {TABLE}",
                f"delete table {FAMILY} {TABLE}",
                f"add table {FAMILY} {TABLE}",
                *_commands(Ruleset(), self, counted or {}),
            )
        )

    def change_to(self, other: Ruleset) -> str:
        """What makes this one the other; "" where nothing differs."""
        return "".join(f"{line}\n" for line in _commands(self, other, {}))


def _commands(old: Ruleset, new: Ruleset, counted: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """In the order in which things need each other: new things that are empty, elements out,
    rules out, elements in, rules in, what nothing refers to any more."""
    yield from _made(old, new, counted)
    changed = [
        name
        for name, chain in new.chains.items()
        if chain.rules != (old.chains[name].rules if name in old.chains else ())
    ]
    gone = [name for name in old.chains if name not in new.chains]
    yield from (_line("flush chain", name) for name in (*changed, *gone) if name in old.chains)
    for name, had in old.sets.items():
        yield from _elements_out(name, had, new.sets.get(name))
    for name, wanted in new.sets.items():
        yield from _elements_in(name, old.sets.get(name), wanted)
    for name in changed:
        yield from (_line("add rule", name, rule) for rule in new.chains[name].rules)
    yield from (_line("delete chain", name) for name in gone)
    sets = (name for name in old.sets if name not in new.sets)
    yield from (_line(f"delete {old.sets[name].word}", name) for name in sets)
    yield from (_line("delete counter", name) for name in sorted(old.counters - new.counters))


def _made(old: Ruleset, new: Ruleset, counted: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    for name in sorted(new.counters - old.counters):
        packets, size = counted.get(name, (0, 0))
        yield _line("add counter", name, f"{{ packets {packets} bytes {size} }}")
    for name, chain in new.chains.items():
        if name not in old.chains:
            yield _line("add chain", name, f"{{ {chain.hook} }}" if chain.hook else "")
    for name, wanted in new.sets.items():
        if name not in old.sets:
            yield _line(f"add {wanted.word}", name, f"{{ {wanted.header()}}}")


def _elements_out(name: str, had: Set, wanted: Set | None) -> Iterator[str]:
    if wanted is None:
        if had.elements:
            yield _line(f"flush {had.word}", name)
        return
    out = [key for key, value in had.elements.items() if wanted.elements.get(key) != value]
    for some in _chunks(out):
        yield _line("delete element", name, f"{{ {', '.join(some)} }}")


def _elements_in(name: str, had: Set | None, wanted: Set) -> Iterator[str]:
    before = had.elements if had else {}
    new = [
        f"{key} : {value}" if value else key
        for key, value in wanted.elements.items()
        if before.get(key) != value
    ]
    for some in _chunks(new):
        yield _line("add element", name, f"{{ {', '.join(some)} }}")


def _chunks(items: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _line(verb: str, name: str, rest: str = "") -> str:
    return f"{verb} {FAMILY} {TABLE} {name} {rest}".rstrip()

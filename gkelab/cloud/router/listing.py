"""What nft says the table is, in a form that two can be compared in, and its counters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gkelab.cloud.router.ruleset import Ruleset

# What differs between two listings of the same thing.
VOLATILE = ("handle", "packets", "bytes")


@dataclass(frozen=True)
class Listing:
    """The table as it is: each part by its kind and name, as comparable text; of sets and chains
    the elements and rules."""

    parts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elements: Mapping[str, frozenset[str]] = field(default_factory=dict)
    counters: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def parse_listing(text: str) -> Listing:
    """`nft -j list table ...`; the empty listing where there is no such table."""
    parts: dict[tuple[str, str], str] = {}
    rules: dict[str, list[str]] = {}
    elements: dict[str, frozenset[str]] = {}
    counters: dict[str, tuple[int, int]] = {}
    for item in json.loads(text or "{}").get("nftables", ()):
        ((kind, body),) = item.items()
        if kind == "rule":
            rules.setdefault(body["chain"], []).append(_text(body["expr"]))
            continue
        if kind in ("metainfo", "table"):
            continue
        if kind == "counter":
            counters[body["name"]] = (body["packets"], body["bytes"])
        if kind in ("set", "map"):
            kind = "set"
            elements[body["name"]] = frozenset(_text(one) for one in body.pop("elem", ()))
        parts[kind, body["name"]] = _text(
            {key: value for key, value in body.items() if key not in VOLATILE}
        )
    return Listing(parts, {k: tuple(v) for k, v in rules.items()}, elements, counters)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def differences(expected: Listing, found: Listing) -> Iterator[str]:
    """What of a table is not as it was left, one sentence each."""
    if expected.parts and not found.parts:
        yield "the table is gone"
        return
    for kind, name in sorted(expected.parts.keys() | found.parts.keys()):
        wanted, there = expected.parts.get((kind, name)), found.parts.get((kind, name))
        if wanted != there:
            how = "is gone" if there is None else "is not ours" if wanted is None else "differs"
            yield f"{kind} {name} {how}"
        elif kind == "chain" and (had := expected.rules.get(name, ())) != (
            now := found.rules.get(name, ())
        ):
            yield f"chain {name} has {len(now)} rules, which are not the {len(had)} of ours"
        elif kind == "set" and expected.elements[name] != found.elements[name]:
            gone = len(expected.elements[name] - found.elements[name])
            more = len(found.elements[name] - expected.elements[name])
            yield f"set {name} lacks {gone} elements and has {more} that are not ours"


def mistakes(before: Listing, old: Ruleset, new: Ruleset, after: Listing) -> Iterator[str]:
    """What is wrong after `old`, listed `before`, was made `new`: parts that did not change are
    as they were, the others have as many rules and elements as they should."""
    for name, chain in new.chains.items():
        there = after.rules.get(name, ())
        if ("chain", name) not in after.parts or len(there) != len(chain.rules):
            yield f"chain {name} has {len(there)} rules, not {len(chain.rules)}"
        elif old.chains.get(name) == chain and before.rules.get(name, ()) != there:
            yield f"chain {name} has rules that are not ours"
    for name, wanted in new.sets.items():
        found = after.elements.get(name)
        if found is None or len(found) != len(wanted.elements):
            yield f"set {name} has {len(found or ())} elements, not {len(wanted.elements)}"
        elif old.sets.get(name) == wanted and before.elements.get(name) != found:
            yield f"set {name} has elements that are not ours"
    named = {("chain", n) for n in new.chains} | {("set", n) for n in new.sets}
    named |= {("counter", n) for n in new.counters}
    for kind, name in sorted(after.parts.keys() ^ named):
        yield f"{kind} {name} {'is gone' if (kind, name) in named else 'is not ours'}"

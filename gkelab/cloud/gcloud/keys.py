"""Resource keys and projections, as `gcloud topic projections` has them: the part in use here.

A key is a path with transforms and attributes: `networkInterfaces[0].networkIP:label=INTERNAL_IP`,
`zone.basename()`, `tags.items.list()`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gkelab.cloud.gcloud.transforms import MAP, TAKES_KEYS, TRANSFORMS


class FormatError(ValueError):
    """The text is no format, or says more than is known here."""


ATTRIBUTES = ("label", "sort", "align", "wrap", "optional", "reverse")

_STEP = re.compile(r"\.?(?P<name>[A-Za-z_][\w-]*|\"[^\"]+\")|\[(?P<index>-?\d*)\]")
_CALL = re.compile(r"\.?(?P<name>[a-z_]+)\(")
_NAMED = re.compile(r"(?P<name>[a-z_]+)\s*=(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """A transform with what stands in its parentheses."""

    name: str
    places: tuple[Any, ...]
    names: Mapping[str, str]

    def on(self, value: Any, depth: int) -> Any:
        """What it makes of a value, or of each item that is so deep in lists. FormatError when
        its words make no sense."""
        if depth and isinstance(value, list):
            return [self.on(item, depth - 1) for item in value]
        try:
            return TRANSFORMS[self.name](value, *self.places, **self.names)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise FormatError(f"{self.name}() cannot be done: {error}") from error


@dataclass(frozen=True)
class Key:
    """One column: where its value is, what is made of it, how it is labelled."""

    path: tuple[str | int | None, ...]
    calls: tuple[Call, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The heading: as said, else the last name of the path, in capitals."""
        names = [step for step in self.path if isinstance(step, str)]
        usual = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", names[-1]).upper() if names else ""
        return self.attributes.get("label", usual)

    def of(self, resource: Any) -> Any:
        """The value, with the transforms applied."""
        value, depth = lookup(resource, self.path), 0
        for call in self.calls:
            if call.name == MAP:
                depth = int(next(iter(call.places), 1))
                continue
            value, depth = call.on(value, depth), 0
        return value


def lookup(value: Any, path: Sequence[str | int | None]) -> Any:
    """What stands at a path; None for nothing. An empty index means each of a list, and a name
    with its value behind it the item that has that: `quotas.metric.CPUS`."""
    for position, step in enumerate(path):
        if isinstance(value, list) and isinstance(step, str) and path[position + 1 :]:
            for item in value:
                if isinstance(item, Mapping) and item.get(step) == path[position + 1]:
                    return lookup(item, path[position + 2 :])
        if step is None or (isinstance(value, list) and isinstance(step, str)):
            rest = path[position + 1 :] if step is None else path[position:]
            found = [lookup(item, rest) for item in value] if isinstance(value, list) else []
            return [item for item in found if item is not None]
        if isinstance(step, int):
            inside = isinstance(value, list) and -len(value) <= step < len(value)
            value = value[step] if inside else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def parse_key(text: str) -> Key:
    """One key. FormatError for what is none."""
    body, position = text.strip(), 0
    path: list[str | int | None] = []
    calls: list[Call] = []
    while position < len(body) and body[position] != ":":
        call, step = _CALL.match(body, position), _STEP.match(body, position)
        if call:
            end = _closing(body, call.end())
            calls.append(_call(call["name"], body[call.end() : end]))
            position = end + 1
        elif step and not calls:
            index = step["index"]
            path.append(
                (int(index) if index else None) if index is not None else step["name"].strip('"')
            )
            position = step.end()
        else:
            raise FormatError(f"{text!r} is no key")
    if not path and not calls:
        raise FormatError(f"{text!r} is no key")
    return Key(tuple(path), tuple(calls), _attributes(body[position:]))


def _attributes(text: str) -> dict[str, str]:
    """What stands behind a key: `:label=HOW:sort=1`."""
    left, *attributes = re.split(r":(?=[a-z-]+(?:=|$|:))", text)
    said = dict(attribute.partition("=")[::2] for attribute in attributes)
    unknown = [left] if left else [name for name in said if name not in ATTRIBUTES]
    if unknown:
        raise FormatError(f"unknown attribute {unknown[0]}")
    return said


def _call(name: str, text: str) -> Call:
    if name not in TRANSFORMS:
        raise FormatError(f"unknown transform function {name}()")
    places: list[Any] = []
    names: dict[str, str] = {}
    for word in (part.strip() for part in split(text)):
        named = _NAMED.fullmatch(word)
        if named:
            names[named["name"]] = _unquoted(named["value"].strip())
        elif word and len(places) >= TAKES_KEYS.get(name, len(places) + 1):
            places.append(parse_key(word))
        elif word:
            places.append(_unquoted(word))
    try:
        inspect.signature(TRANSFORMS[name]).bind(None, *places, **names)
    except TypeError as error:
        raise FormatError(f"{name}(): {error}") from error
    if name == MAP and not all(place.isdecimal() for place in places):
        raise FormatError(f"{name}() takes a number, how deep in lists; received {text}")
    return Call(name, tuple(places), names)


def _unquoted(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if quoted else word


def parse_keys(text: str) -> tuple[Key, ...]:
    """Keys with commas between them, where parentheses and quotes keep theirs."""
    return tuple(parse_key(part) for part in split(text) if part.strip())


def split(text: str) -> list[str]:
    """The parts of a text with commas, where parentheses and quotes keep theirs."""
    parts, start = [], 0
    for position, character, depth in _outside(text):
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _closing(text: str, start: int) -> int:
    """Where the parenthesis ends that was opened before `start`."""
    for position, character, depth in _outside(text[start:]):
        if character == ")" and depth == -1:
            return start + position
    raise FormatError(f"a parenthesis of {text!r} is not closed")


def _outside(text: str) -> Iterator[tuple[int, str, int]]:
    """The characters that no quotes hold: where each is, and how deep in parentheses behind it."""
    depth, quote = 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            yield position, character, depth

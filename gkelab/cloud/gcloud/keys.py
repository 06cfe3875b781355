"""Resource keys and projections, as `gcloud topic projections` has them: the part in use here.

A key is a path with transforms and attributes: `networkInterfaces[0].networkIP:label=INTERNAL_IP`,
`zone.basename()`, `tags.items.list()`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class FormatError(ValueError):
    """The text is no format, or says more than is known here."""


def _segment(value: Any, arguments: Sequence[str]) -> Any:
    parts = str(value or "").split("/")
    index = int(arguments[0]) if arguments else -1
    return parts[index] if -len(parts) <= index < len(parts) else ""


def _scope(value: Any, arguments: Sequence[str]) -> Any:
    """What comes after a link's collection of places, as us-central1-a/instances/vm; else its
    last part."""
    for name in arguments or ("regions", "zones"):
        _, found, rest = str(value or "").partition(f"/{name}/")
        if found:
            return rest
    return str(value or "").rpartition("/")[2]


def _firstof(value: Any, arguments: Sequence[str]) -> Any:
    """The first of a resource's fields that is there."""
    return next((value[name] for name in arguments if value.get(name)), None)


def _listed(value: Any, arguments: Sequence[str]) -> Any:
    separator = ","
    for argument in arguments:
        name, _, given = argument.partition("=")
        separator = given if name == "separator" else separator
    if isinstance(value, Mapping):
        return separator.join(f"{key}={item}" for key, item in value.items())
    return separator.join(str(item) for item in value) if isinstance(value, list) else value


def _yesno(value: Any, arguments: Sequence[str]) -> Any:
    said = dict(a.split("=", 1) for a in arguments if "=" in a)
    return said.get("yes", value or "Yes") if value else said.get("no", "")


def _firewall_rule(value: Any, arguments: Sequence[str]) -> Any:
    """tcp:80,tcp:8000-8080,icmp: as gcloud writes what a rule allows."""
    rules = value if isinstance(value, list) else [value] if value else []
    ports = ((rule["IPProtocol"], rule.get("ports") or [""]) for rule in rules)
    return [f"{protocol}:{port}" if port else protocol for protocol, all_ in ports for port in all_]


TRANSFORMS: dict[str, Callable[[Any, Sequence[str]], Any]] = {
    "basename": lambda value, _: str(value or "").rpartition("/")[2],
    "scope": _scope,
    "firstof": _firstof,
    "segment": _segment,
    "list": _listed,
    "join": _listed,
    "len": lambda value, _: len(value or ""),
    "count": lambda value, _: len(value or ""),
    "upper": lambda value, _: str(value or "").upper(),
    "lower": lambda value, _: str(value or "").lower(),
    "yesno": _yesno,
    "firewall_rule": _firewall_rule,
    # The transform behind it takes lists as they are.
    "map": lambda value, _: value,
}
ATTRIBUTES = ("label", "sort", "align", "wrap", "optional", "reverse")

_STEP = re.compile(r"\.?(?P<name>[A-Za-z_][\w-]*|\"[^\"]+\")|\[(?P<index>-?\d*)\]")
_CALL = re.compile(r"\.?(?P<name>[a-z_]+)\((?P<arguments>[^()]*)\)")


@dataclass(frozen=True)
class Key:
    """One column: where its value is, what is made of it, how it is labelled."""

    path: tuple[str | int | None, ...]
    transforms: tuple[tuple[str, tuple[str, ...]], ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The heading: as said, else the last name of the path, in capitals."""
        names = [step for step in self.path if isinstance(step, str)]
        usual = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", names[-1]).upper() if names else ""
        return self.attributes.get("label", usual)

    def of(self, resource: Any) -> Any:
        """The value, with the transforms applied."""
        value = lookup(resource, self.path)
        for name, arguments in self.transforms:
            value = TRANSFORMS[name](value, arguments)
        return value


def lookup(value: Any, path: Sequence[str | int | None]) -> Any:
    """What stands at a path; None for nothing. An empty index means each of a list."""
    for position, step in enumerate(path):
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
    body, *attributes = re.split(r":(?=[a-z-]+(?:=|$|:))", text.strip())
    path: list[str | int | None] = []
    transforms: list[tuple[str, tuple[str, ...]]] = []
    position = 0
    while position < len(body):
        call, step = _CALL.match(body, position), _STEP.match(body, position)
        if call:
            if call["name"] not in TRANSFORMS:
                raise FormatError(f"unknown transform function {call['name']}()")
            given = [a.strip().strip("\"'") for a in re.split(r",(?=\s*\S)", call["arguments"])]
            transforms.append((call["name"], tuple(a for a in given if a)))
            position = call.end()
        elif step and not transforms:
            index = step["index"]
            path.append(
                (int(index) if index else None) if index is not None else step["name"].strip('"')
            )
            position = step.end()
        else:
            raise FormatError(f"{text!r} is no key")
    said = dict(attribute.partition("=")[::2] for attribute in attributes)
    unknown = [name for name in said if name not in ATTRIBUTES]
    if unknown:
        raise FormatError(f"unknown attribute {unknown[0]}")
    if not path and (not transforms or transforms[0][0] != "firstof"):
        raise FormatError(f"{text!r} is no key")
    return Key(tuple(path), tuple(transforms), said)


def parse_keys(text: str) -> tuple[Key, ...]:
    """Keys with commas between them, where parentheses keep theirs."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return tuple(parse_key(part) for part in parts if part.strip())

"""--format: resources as json, yaml, csv, values, lines of keys and values, or a table."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from gkelab.cloud.gcloud.keys import FormatError, Key, parse_keys, split
from gkelab.cloud.gcloud.tables import Table

Body = Mapping[str, Any]
# One resource, or a list of them.
Shown = Body | Sequence[Body]
Resource = TypeVar("Resource", bound=Body)

_FORMAT = re.compile(
    r"(?P<name>[a-z]+)(?:\[(?P<attributes>[^\]]*)\])?(?:\((?P<keys>.*)\))?", re.DOTALL
)
# What may stand in a printer's brackets.
_FLAGS = {
    "csv": ("no-heading", "separator="),
    "flattened": ("no-pad", "separator="),
    "get": ("separator=",),
    "table": ("no-heading", "box", "all-box", "title="),
    "text": ("no-pad", "separator="),
    "value": ("separator=",),
}


@dataclass(frozen=True)
class Format:
    """What --format says: a printer's name, flags in brackets, keys in parentheses."""

    name: str
    flags: tuple[str, ...]
    keys: tuple[Key, ...]


def parse_format(text: str) -> Format:
    """A format. FormatError names what is unknown in it."""
    found = _FORMAT.fullmatch(text.strip())
    if found is None or found["name"] not in PRINTERS:
        raise FormatError(f"{text!r} is no format; there are {', '.join(PRINTERS)}")
    flags = tuple(f.strip() for f in split(found["attributes"] or "") if f.strip())
    for flag in flags:
        name, sign, _ = flag.partition("=")
        if f"{name}{sign}" not in _FLAGS.get(found["name"], ()):
            raise FormatError(f"unknown attribute {flag} of {found['name']}")
    keys = parse_keys(found["keys"] or "")
    if not keys and found["name"] in ("table", "csv", "value", "get"):
        raise FormatError(f"{found['name']} needs keys in parentheses")
    return Format(found["name"], flags, keys)


def show(resources: Shown, said: Format) -> str:
    """The resources in that format, with a newline at the end unless there is nothing."""
    text = PRINTERS[said.name](resources, said)
    return f"{text}\n" if text else ""


def _each(resources: Shown) -> Sequence[Body]:
    return [resources] if isinstance(resources, Mapping) else resources


def sort(resources: Sequence[Resource], keys: Iterable[tuple[Key, bool]]) -> list[Resource]:
    """The resources by these keys, the first counting most; with True a key counts downwards."""
    found = list(resources)
    for key, downwards in reversed(list(keys)):
        found.sort(key=lambda resource: _order(key.of(resource)), reverse=downwards)
    return found


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (not number, float(value) if number else 0.0, _cell(value, ";"))


def _cell(value: Any, separator: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return separator.join(_cell(item, separator) for item in value)
    if isinstance(value, Mapping):
        return separator.join(f"{key}={_cell(item, separator)}" for key, item in value.items())
    return str(value)


def _projected(resource: Body, keys: Sequence[Key]) -> dict[str, Any]:
    """The parts of a resource that keys name, in their places."""
    found: dict[str, Any] = {}
    for key in keys:
        value = key.of(resource)
        if value is None or not key.path:
            continue
        place, names = found, [step for step in key.path if isinstance(step, str)]
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = value
    return found


def _data(resources: Shown, said: Format) -> Any:
    if not said.keys:
        return resources
    parts = [_projected(resource, said.keys) for resource in _each(resources)]
    return parts[0] if isinstance(resources, Mapping) else parts


def _json(resources: Shown, said: Format) -> str:
    return json.dumps(_data(resources, said), indent=2, sort_keys=True)


def _yaml(resources: Shown, said: Format) -> str:
    documents = [_data(resource, said) for resource in _each(resources)]
    texts = [yaml.safe_dump(document, default_flow_style=False) for document in documents]
    start = "" if isinstance(resources, Mapping) else "---\n"
    return "".join(start + text for text in texts).rstrip("\n")


def _rows(resources: Shown, said: Format, separator: str) -> list[list[str]]:
    keys = [key for key in said.keys if "sort" in key.attributes]
    keys.sort(key=lambda key: key.attributes["sort"])
    ordered = sort(_each(resources), [(key, "reverse" in key.attributes) for key in keys])
    return [[_cell(key.of(resource), separator) for key in said.keys] for resource in ordered]


def _option(said: Format, name: str, usual: str) -> str:
    """What the brackets say of an option, as separator=;."""
    given = [flag.partition("=")[2] for flag in said.flags if flag.startswith(f"{name}=")]
    return given[0].strip("\"'") if given else usual


def _value(resources: Shown, said: Format) -> str:
    rows = _rows(resources, said, ";")
    return "\n".join(_option(said, "separator", "\t").join(row) for row in rows)


def _csv(resources: Shown, said: Format) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=_option(said, "separator", ","), lineterminator="\n")
    if "no-heading" not in said.flags:
        writer.writerow([key.attributes.get("label") or _name(key) for key in said.keys])
    writer.writerows(_rows(resources, said, ";"))
    return out.getvalue().rstrip("\n")


def _name(key: Key) -> str:
    """A column of csv goes by the path's last name, as it is."""
    return next((step for step in reversed(key.path) if isinstance(step, str)), "")


def _table(resources: Shown, said: Format) -> str:
    rows = _rows(resources, said, ",")
    shown = [
        column
        for column, key in enumerate(said.keys)
        if "optional" not in key.attributes or any(row[column] for row in rows)
    ]
    keys = [said.keys[column] for column in shown]
    return Table(
        [[row[column] for column in shown] for row in rows],
        () if "no-heading" in said.flags else [key.label for key in keys],
        [key.attributes.get("align", "left") for key in keys],
        _option(said, "title", ""),
        next((flag for flag in ("all-box", "box") if flag in said.flags), ""),
    ).draw()


def _flattened(resources: Shown, said: Format) -> str:
    labels = {_dotted(key): key.label.lower() for key in said.keys}
    sign, lines = _option(said, "separator", ": "), []
    for resource in _each(resources):
        found = [(labels.get(name, name), value) for name, value in _leaves(_data(resource, said))]
        width = 0 if "no-pad" in said.flags else max((len(name) for name, _ in found), default=0)
        lines += [] if isinstance(resources, Mapping) else ["---"]
        lines += [f"{name}{sign}{' ' * (width - len(name))}{_line(v)}" for name, v in found]
    return "\n".join(lines)


def _dotted(key: Key) -> str:
    return ".".join(step for step in key.path if isinstance(step, str))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The plain values in a resource, and what is empty, each with its whole name."""
    if isinstance(value, Mapping) and value:
        for key, item in sorted(value.items()):
            yield from _leaves(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}[{index}]")
    elif value is not None:
        yield name, value


def _line(value: Any) -> str:
    """A value on one line, in quotes where its spaces would be lost."""
    text = str(value)
    return json.dumps(text) if "\n" in text or text != text.strip() else text


def _none(resources: Shown, said: Format) -> str:
    return ""


PRINTERS: dict[str, Callable[[Shown, Format], str]] = {
    "csv": _csv,
    "default": _yaml,
    "flattened": _flattened,
    "get": _value,
    "json": _json,
    "none": _none,
    "disable": _none,
    "table": _table,
    "text": _flattened,
    "value": _value,
    "yaml": _yaml,
}

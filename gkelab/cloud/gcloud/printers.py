"""--format: resources as json, yaml, csv, values, or a table."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from gkelab.cloud.gcloud.keys import FormatError, Key, parse_keys

Body = Mapping[str, Any]
# One resource, or a list of them.
Shown = Body | Sequence[Body]
Resource = TypeVar("Resource", bound=Body)

_FORMAT = re.compile(
    r"(?P<name>[a-z]+)(?:\[(?P<attributes>[^\]]*)\])?(?:\((?P<keys>.*)\))?", re.DOTALL
)
_FLAGS = ("no-heading", "box", "all-box", "no-pad")


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
    flags = tuple(f.strip() for f in (found["attributes"] or "").split(",") if f.strip())
    for flag in flags:
        if flag.partition("=")[0] not in (*_FLAGS, "separator"):
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
    keys = [(key, False) for key in said.keys if "sort" in key.attributes]
    keys.sort(key=lambda pair: pair[0].attributes["sort"])
    ordered = sort(_each(resources), keys)
    return [[_cell(key.of(resource), separator) for key in said.keys] for resource in ordered]


def _separator(said: Format, usual: str) -> str:
    given = [flag.partition("=")[2] for flag in said.flags if flag.startswith("separator=")]
    return given[0].strip("\"'") if given else usual


def _value(resources: Shown, said: Format) -> str:
    rows = _rows(resources, said, ";")
    return "\n".join(_separator(said, "\t").join(row) for row in rows)


def _csv(resources: Shown, said: Format) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=_separator(said, ","), lineterminator="\n")
    if "no-heading" not in said.flags:
        writer.writerow([key.attributes.get("label") or _name(key) for key in said.keys])
    writer.writerows(_rows(resources, said, ";"))
    return out.getvalue().rstrip("\n")


def _name(key: Key) -> str:
    """A column of csv goes by the path's last name, as it is."""
    return next((step for step in reversed(key.path) if isinstance(step, str)), "")


def _table(resources: Shown, said: Format) -> str:
    rows = _rows(resources, said, ",")
    if not rows:
        return ""
    if "no-heading" not in said.flags:
        rows.insert(0, [key.label for key in said.keys])
    widths = [max(len(row[column]) for row in rows) for column in range(len(said.keys))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _none(resources: Shown, said: Format) -> str:
    return ""


PRINTERS: dict[str, Callable[[Shown, Format], str]] = {
    "csv": _csv,
    "get": _value,
    "json": _json,
    "none": _none,
    "disable": _none,
    "table": _table,
    "value": _value,
    "yaml": _yaml,
}

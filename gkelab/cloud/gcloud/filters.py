"""--filter, as `gcloud topic filters` has it: `name=a`, `name:web*`, `network~'/net$'`,
`zone:(a b)`, joined by AND, OR, NOT, or by standing side by side."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from gkelab.cloud import expressions
from gkelab.cloud.expressions import GCLOUD, ExpressionError, Term
from gkelab.cloud.gcloud.keys import FormatError, Key, parse_key

_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def predicate(text: str) -> Callable[[Any], bool]:
    """What a filter means. ExpressionError, with the filter, for what is none."""
    try:
        node = expressions.parse(text, GCLOUD)
        keys = {term.key: parse_key(term.key) for term in expressions.terms(node)}
        for term in expressions.terms(node):
            if "~" in term.operator:
                [re.compile(value) for value in term.values]
    except (ExpressionError, FormatError, re.error) as error:
        raise ExpressionError(f"--filter={text}: {error}") from error

    def test(resource: Any) -> Callable[[Term], bool]:
        return lambda term: _holds(resource, keys[term.key], term)

    return lambda resource: expressions.matches(node, test(resource))


def _holds(resource: Any, key: Key, term: Term) -> bool:
    found = list(_scalars(key.of(resource)))
    if term.operator in ("!=", "!~"):
        positive = Term(term.key, {"!=": "=", "!~": "~"}[term.operator], term.values)
        return not _holds(resource, key, positive)
    return any(_one(found, term.operator, wanted) for wanted in term.values)


def _scalars(value: Any) -> Iterator[Any]:
    """The plain values; of an object, its keys and its values."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    elif value is not None:
        yield value


def _one(found: list[Any], operator: str, wanted: str) -> bool:
    if operator == ":" and wanted == "*":
        return any(value != "" for value in found)
    if not found:
        return operator == "=" and wanted in ("", "false", "False")
    if operator == "~":
        return any(re.search(wanted, str(value)) for value in found)
    if operator in _SIGNS:
        return any(_ordered(value, operator, wanted) for value in found)
    return any(_like(str(value), wanted, whole=operator == "=") for value in found)


def _like(value: str, wanted: str, *, whole: bool) -> bool:
    """gcloud compares without regard to case. `:` looks for a word of the value (what stands
    between others than letters, digits and underscores), which may end with a star; `=` for the
    whole value, or the last part of a link."""
    value, wanted = value.lower(), wanted.lower()
    if whole:
        return value == wanted or (value.startswith("http") and value.endswith(f"/{wanted}"))
    pattern = ".*".join(re.escape(part) for part in wanted.removesuffix("*").split("*"))
    end = "" if wanted.endswith("*") else r"(?!\w)"
    return bool(re.search(rf"(?<!\w){pattern}{end}", value))


def _ordered(value: Any, sign: str, wanted: str) -> bool:
    try:
        return _SIGNS[sign](float(value), float(wanted))
    except ValueError:
        return _SIGNS[sign](str(value), wanted)

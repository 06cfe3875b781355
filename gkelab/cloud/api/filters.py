"""Which resources a list request means: Compute's two kinds of filter expressions.

Either AIP-160's (`name != x`, `labels.owner:*`, `(a = 1) OR (b > 2)`), or the older one of regular
expressions that match a whole value (`name eq web-.*`, `(name ne a) (status eq RUNNING)`). They
are not mixed. The documents of any list method describe both.
"""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gkelab.cloud import expressions
from gkelab.cloud.api.errors import ComputeError, invalid
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.kinds.base import values
from gkelab.cloud.expressions import AIP_160, ExpressionError, Node, Term

Predicate = Callable[[Body], bool]

LABELS = "labels."
_KEY = r"(?P<key>[A-Za-z_][\w.\-]*)\s+(?P<operator>eq|ne)\s+"
_REGULAR = re.compile(_KEY + r"(?P<value>.+?)\s*", re.DOTALL)
_IN_PARENTHESES = re.compile(rf"\s*\(\s*{_KEY}(?P<value>\"[^\"]*\"|'[^']*'|[^()]*?)\s*\)\s*")
_ORDERING: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def predicate(text: str, known: Iterable[str]) -> Predicate:
    """What a filter means. `known` are the names of a resource's fields; ComputeError for an
    expression that cannot be read, or that names none of them."""
    found = _regular(text)
    keys: list[str]
    if found is not None:
        keys = [part.key for part in found]
    else:
        try:
            node = expressions.parse(text, AIP_160)
        except ExpressionError as error:
            raise _unreadable(text) from error
        keys = [term.key for term in expressions.terms(node)]
    if any(key.split(".")[0] not in known for key in keys):
        raise _unreadable(text)
    if found is not None:
        parts = found
        return lambda body: all(part.matches(body) for part in parts)
    _check(node, text)
    return lambda body: expressions.matches(node, lambda term: _holds(body, term))


def _unreadable(text: str) -> ComputeError:
    return invalid("filter", text, "Invalid list filter expression.")


@dataclass(frozen=True)
class _Regular:
    key: str
    negative: bool
    pattern: re.Pattern[str]

    def matches(self, body: Body) -> bool:
        texts = [_text(value) for value in _scalars(body, self.key)]
        found = any(self.pattern.fullmatch(text) for text in texts or [""])
        return found != self.negative


def _regular(text: str) -> list[_Regular] | None:
    """The parts of an expression of the older kind; None if it is of the other."""
    if whole := _REGULAR.fullmatch(text.strip()):
        return [_part(whole, text)]
    position, parts = 0, []
    while position < len(text) and (match := _IN_PARENTHESES.match(text, position)):
        parts.append(_part(match, text))
        position = match.end()
    return parts if parts and position == len(text) else None


def _part(match: re.Match[str], text: str) -> _Regular:
    value = match["value"]
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    try:
        return _Regular(match["key"], match["operator"] == "ne", re.compile(value))
    except re.error as error:
        raise _unreadable(text) from error


def _check(node: Node, text: str) -> None:
    for term in expressions.terms(node):
        if term.operator in ("~", "!~") or len(term.values) != 1:
            raise _unreadable(text)


def _holds(body: Body, term: Term) -> bool:
    wanted = term.values[0]
    found = list(_scalars(body, term.key))
    if term.operator == "!=":
        return not _equal(found, wanted)
    if term.operator == "=":
        return _equal(found, wanted)
    if term.operator == ":":
        return _has(body, term.key, found, wanted)
    return any(_ordered(value, term.operator, wanted) for value in found)


def _scalars(body: Body, key: str) -> Iterator[object]:
    """The plain values at a key; lists count by their items."""
    return (value for value in values(body, key) if not isinstance(value, dict))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(found: list[object], wanted: str) -> bool:
    if not found:
        # A field that is not there is false, or nothing.
        return wanted in ("false", "")
    return any(_wildcard(wanted).fullmatch(_text(value)) for value in found)


def _wildcard(wanted: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.DOTALL)


def _has(body: Body, key: str, found: list[object], wanted: str) -> bool:
    """AIP-160's `:`: `*` asks whether there is anything (a label may be empty, and is there);
    else a part of the value, or a key."""
    if wanted == "*" and key.startswith(LABELS):
        return bool(found)
    if wanted == "*":
        return any(value not in (None, "", {}) for value in values(body, key))
    for value in values(body, key):
        if isinstance(value, dict) and wanted in value:
            return True
    pattern = _wildcard(wanted)
    if "*" in wanted:
        return any(pattern.fullmatch(_text(value)) for value in found)
    return any(pattern.search(_text(value)) for value in found)


def _ordered(value: object, sign: str, wanted: str) -> bool:
    """Numbers by size, times by the moment that they are, wherever; all else as text, as the
    beginnings of times (2026, 2026-01) are."""
    compare, text = _ORDERING[sign], _text(value)
    for read in (float, _moment):
        with contextlib.suppress(ValueError):
            return compare(read(text), read(wanted))
    return compare(text, wanted)


def _moment(text: str) -> datetime:
    """A time in RFC 3339; one that says no zone is UTC's."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

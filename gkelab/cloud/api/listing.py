"""Lists: filtered, ordered, page by page, of one scope or of all."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from gkelab.cloud.api.errors import invalid
from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.filters import predicate
from gkelab.cloud.api.links import BASE, Ref

LARGEST_PAGE = 500
NEWEST_FIRST = "creationTimestamp desc"

Item = tuple[Ref, Body]


@dataclass(frozen=True)
class Paging:
    """What a request says of its list."""

    filter: str
    size: int
    order: str
    token: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """From the query. ComputeError for what it may not say."""
        text = query.get("maxResults", str(LARGEST_PAGE))
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > LARGEST_PAGE:
            raise invalid("maxResults", text, f"Must be from 0 to {LARGEST_PAGE}.")
        order = " ".join(query.get("orderBy", "name").split())
        if order not in ("name", "name asc", NEWEST_FIRST):
            raise invalid("orderBy", order, f"Must be name or {NEWEST_FIRST}.")
        return cls(
            query.get("filter", ""), int(text) or LARGEST_PAGE, order, query.get("pageToken", "")
        )


def page(
    items: Iterable[Item], paging: Paging, known: Iterable[str]
) -> tuple[list[Item], str | None]:
    """One page of the items, and the token of the next. A token says which item was the last:
    what comes and goes in between makes no other appear twice or be left out."""
    if paging.filter:
        wanted = predicate(paging.filter, known)
        items = (item for item in items if wanted(item[1]))
    newest_first = paging.order == NEWEST_FIRST
    ordered = sorted(items, key=lambda item: _place(item, newest_first), reverse=newest_first)
    start = 0
    if paging.token:
        after = _read_token(paging)
        places = (_place(item, newest_first) for item in ordered)
        passed = (p < after if newest_first else p > after for p in places)
        start = next((i for i, is_passed in enumerate(passed) if is_passed), len(ordered))
    end = start + paging.size
    more = end < len(ordered)
    token = _token(paging, _place(ordered[end - 1], newest_first)) if more else None
    return ordered[start:end], token


def _place(item: Item, newest_first: bool) -> tuple[str, ...]:
    """By what an item is ordered: global scope first, then by place, then by name."""
    ref, body = item
    scope = "" if ref.scope == "global" else ref.scope
    time = (str(body.get("creationTimestamp", body.get("insertTime"))),) if newest_first else ()
    return (*time, scope, ref.name)


def _token(paging: Paging, place: Sequence[str]) -> str:
    text = json.dumps([paging.filter, paging.order, *place])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(paging: Paging) -> tuple[str, ...]:
    try:
        said = json.loads(base64.urlsafe_b64decode(paging.token))
        if said[:2] == [paging.filter, paging.order] and all(isinstance(s, str) for s in said):
            return tuple(said[2:])
    except (ValueError, TypeError):
        pass
    raise invalid("pageToken", paging.token, "It is not one of this list.")


def listed(noun: str, path: str, items: Sequence[Item], token: str | None) -> Body:
    """The answer of a list method."""
    bodies = [body for _, body in items]
    return {
        "kind": f"compute#{noun}List",
        "id": path,
        **({"items": bodies} if bodies else {}),
        **({"nextPageToken": token} if token else {}),
        "selfLink": BASE + path,
    }


def aggregated(
    noun: str,
    collection: str,
    path: str,
    scopes: Sequence[str],
    found: tuple[list[Item], str | None],
) -> Body:
    """The answer of an aggregatedList method: every scope, with what there is in it."""
    items, token = found
    by_scope: dict[str, list[Body]] = {scope: [] for scope in scopes}
    for ref, body in items:
        by_scope[ref.scope].append(body)
    return {
        "kind": f"compute#{noun}AggregatedList",
        "id": path,
        "items": {
            scope: {collection: bodies} if bodies else {"warning": dict(_nothing(scope))}
            for scope, bodies in by_scope.items()
        },
        **({"nextPageToken": token} if token else {}),
        "selfLink": BASE + path,
    }


def _nothing(scope: str) -> Iterator[tuple[str, object]]:
    yield "code", "NO_RESULTS_ON_PAGE"
    yield "message", f"There are no results for scope '{scope}' on this page."
    yield "data", [{"key": "scope", "value": scope}]

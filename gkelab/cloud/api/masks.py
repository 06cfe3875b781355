"""Partial answers: the `fields` parameter, as `items(name,network),nextPageToken`."""

from __future__ import annotations

import re
from typing import Any

from gkelab.cloud.api.errors import invalid

# What of each name is wanted; an empty one is all of it.
Mask = dict[str, "Mask"]


def parse(text: str) -> Mask:
    """The mask that the text says. ComputeError if it says none."""
    tokens = re.findall(r"[(),/]|[^(),/\s]+", text)
    mask, rest = _selectors(tokens, text)
    if rest or not mask:
        raise invalid("fields", text, "Invalid field selection.")
    return mask


def _selectors(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while tokens and tokens[0] != ")":
        name, tokens = tokens[0], tokens[1:]
        if name in "(),/":
            raise invalid("fields", text, "Invalid field selection.")
        below: Mask = mask.setdefault(name, {})
        while tokens[:1] == ["/"] and len(tokens) > 1:
            below, tokens = below.setdefault(tokens[1], {}), tokens[2:]
        if tokens[:1] == ["("]:
            inner, tokens = _selectors(tokens[1:], text)
            if tokens[:1] != [")"]:
                raise invalid("fields", text, "Invalid field selection.")
            below.update(inner)
            tokens = tokens[1:]
        if tokens[:1] == [","]:
            tokens = tokens[1:]
    return mask, tokens


def apply(body: Any, mask: Mask) -> Any:
    """The parts of a body that a mask names; `*` is every name."""
    if not mask:
        return body
    if isinstance(body, list):
        return [apply(item, mask) for item in body]
    if not isinstance(body, dict):
        return body
    return {
        key: apply(value, mask[key] if key in mask else mask["*"])
        for key, value in body.items()
        if key in mask or "*" in mask
    }

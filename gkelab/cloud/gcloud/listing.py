"""Which resources a list shows, in which order: --flatten, --filter, --sort-by, --limit."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from gkelab.cloud.client import Body
from gkelab.cloud.gcloud.filters import predicate
from gkelab.cloud.gcloud.flags import listed, number, text
from gkelab.cloud.gcloud.keys import FormatError, lookup, parse_key
from gkelab.cloud.gcloud.printers import sort

CHOOSING = (
    text("--filter", "which of them, as in: name=web* AND priority>100"),
    number("--limit", "at most so many"),
    listed("--sort-by", "keys to sort by; ~KEY downwards"),
    number("--page-size", "taken, and of no account here"),
)


def chosen(
    found: Sequence[Body], args: argparse.Namespace, usual: Sequence[str] = ()
) -> list[Body]:
    """Those that the flags mean, in the order that they say; else in that of the `usual` keys."""
    found = flatten(found, args.flatten)
    if args.filter:
        meant = predicate(args.filter)
        found = [body for body in found if meant(body)]
    keys = [
        (parse_key(key.removeprefix("~")), key.startswith("~")) for key in args.sort_by or usual
    ]
    return sort(found, keys)[: args.limit]


def flatten(found: Sequence[Body], keys: Sequence[str] | None) -> list[Body]:
    """A resource for each item of a list in it, which stands there in the list's place. What has
    no such items is left out, as gcloud does."""
    resources = list(found)
    for key in keys or ():
        path = parse_key(key).path
        if parse_key(key).calls or any(isinstance(step, int) for step in path):
            raise FormatError(f"--flatten={key}: it is no key of a list")
        steps = path if path[-1] is None else (*path, None)
        for end in (position for position, step in enumerate(steps) if step is None):
            names = [str(step) for step in steps[:end] if step is not None]
            resources = [one for resource in resources for one in _slices(resource, names)]
    return resources


def _slices(resource: Body, names: Sequence[str]) -> list[Body]:
    items = lookup(resource, names)
    return [_with(resource, names, item) for item in items] if isinstance(items, list) else []


def _with(value: Any, names: Sequence[str], item: Any) -> Any:
    return {**value, names[0]: _with(value[names[0]], names[1:], item)} if names else item

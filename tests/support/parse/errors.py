"""What all parsers share: their error, and JSON's way to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gkelab.errors import LabError


class ParseError(LabError):
    """A tool's output that has not the expected form."""


@contextmanager
def parsing(tool: str, text: str) -> Iterator[None]:
    """Turn what goes wrong with a form (a missing key, no number, no address) into ParseError."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        shown = text if len(text) <= 200 else text[:200] + "..."
        raise ParseError(
            f"cannot read {tool} ({type(error).__name__}: {error}): {shown}"
        ) from error


def listed(text: str) -> list[dict[str, Any]]:
    """A JSON list of objects. An empty text is an empty list: iproute2 prints none of nothing."""
    value = json.loads(text) if text.strip() else []
    if not isinstance(value, list):
        raise ValueError("no JSON list")
    return value

"""A picture as mermaid's text (mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gkelab.vpc.picture import Box, Picture


def mermaid(picture: Picture) -> str:
    """A flowchart: boxes with boxes in them are subgraphs, whose further lines are a node of their
    own, as mermaid has no room for them in a title."""
    boxes = [box for column in picture.columns for top in column for box in top.all()]
    # Plain ids: a word such as `end` in one would end a subgraph.
    ids = {box.key: f"b{index}" for index, box in enumerate(boxes)}
    lines = ["---", f"title: {json.dumps(picture.title)}", "---", "flowchart LR"]
    for column in picture.columns:
        for top in column:
            lines += _box(top, ids, "  ")
    lines += [f"  {ids[start]} --- {ids[end]}" for start, end in picture.links]
    lines.append("  classDef note fill:none,stroke:none")
    return "\n".join(lines) + "\n"


def _box(box: Box, ids: Mapping[str, str], indent: str) -> Iterator[str]:
    own = ids[box.key]
    if not box.children:
        yield f'{indent}{own}["{_text(box.lines)}"]'
        return
    yield f'{indent}subgraph {own}["{_text(box.lines[:1])}"]'
    if len(box.lines) > 1:
        yield f'{indent}  {own}n["{_text(box.lines[1:])}"]:::note'
    for child in box.children:
        yield from _box(child, ids, f"{indent}  ")
    yield f"{indent}end"


def _text(lines: tuple[str, ...]) -> str:
    return "<br/>".join(
        "".join(f"#{ord(c)};" if c in '"<>&#`' else c for c in line) for line in lines
    )

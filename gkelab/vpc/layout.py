"""Where the boxes of a picture are: sizes from inside out, then places from outside in.

Units are pixels of an SVG. A line of text is as wide as a fixed-pitch font makes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gkelab.vpc.picture import Box, Picture

FONT = 12.0
LINE = 16.0
# A little more than fixed-pitch fonts need (0.6 of their size), whichever the viewer has.
CHARACTER = 0.62 * FONT
PADDING = 10.0
SPACE = 14.0  # between boxes
GAP = 70.0  # between columns, for the links
MARGIN = 20.0
PER_ROW = 4  # boxes side by side; more begin another row

Point = tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """A box and where it is: its upper left corner, and its size."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    depth: int

    @property
    def middle(self) -> float:
        """The height at which links end."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Layout:
    """All boxes, from outside in, the links as points to draw lines through, and the size."""

    boxes: tuple[Placed, ...]
    links: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def lay_out(picture: Picture) -> Layout:
    """Columns side by side, each in the middle of the height; no two boxes touch but that one is
    in the other."""
    heights = [_stacked(column)[1] for column in picture.columns]
    top = MARGIN + LINE + SPACE  # the title's line
    tallest = max(heights, default=0)
    placed: list[Placed] = []
    x = MARGIN
    for column, height in zip(picture.columns, heights, strict=True):
        y = top + (tallest - height) / 2
        for box in column:
            placed += _place(box, x, y, 0)
            y += _size(box)[1] + SPACE
        x += _stacked(column)[0] + GAP
    places = {one.box.key: one for one in placed}
    title = 2 * MARGIN + len(picture.title) * CHARACTER
    return Layout(
        tuple(placed),
        tuple(_link(places, start, end) for start, end in picture.links),
        max(x - GAP + MARGIN, title),
        top + tallest + MARGIN,
    )


def _link(places: Mapping[str, Placed], start: str, end: str) -> tuple[Point, ...]:
    """From the right of one box to the left of another, turning in the gap before the latter's
    column: there is nothing in it."""
    left, right = places[start], places[end]
    turn = left.x + left.width + GAP / 2
    return (
        (left.x + left.width, left.middle),
        (turn, left.middle),
        (turn, right.middle),
        (right.x, right.middle),
    )


def _rows(box: Box) -> Iterator[Sequence[Box]]:
    number = PER_ROW if box.across else 1
    for start in range(0, len(box.children), number):
        yield box.children[start : start + number]


def _stacked(boxes: Sequence[Box]) -> tuple[float, float]:
    """The width and the height of boxes one below the other."""
    sizes = [_size(box) for box in boxes]
    height = sum(height for _, height in sizes) + SPACE * max(0, len(sizes) - 1)
    return max((width for width, _ in sizes), default=0), height


def _size(box: Box) -> tuple[float, float]:
    width = max(len(line) for line in box.lines) * CHARACTER
    height = len(box.lines) * LINE
    for row in _rows(box):
        sizes = [_size(child) for child in row]
        width = max(width, sum(w for w, _ in sizes) + SPACE * (len(sizes) - 1))
        height += SPACE + max(h for _, h in sizes)
    return width + 2 * PADDING, height + 2 * PADDING


def _place(box: Box, x: float, y: float, depth: int) -> Iterator[Placed]:
    width, height = _size(box)
    yield Placed(box, x, y, width, height, depth)
    below = y + PADDING + len(box.lines) * LINE
    for row in _rows(box):
        below += SPACE
        beside = x + PADDING
        for child in row:
            yield from _place(child, beside, below, depth + 1)
            beside += _size(child)[0] + SPACE
        below += max(_size(child)[1] for child in row)

"""Tables of text, as gcloud draws them: plain columns, or in a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_PAD = 2
_ALIGN: dict[str, Callable[[str, int], str]] = {
    "left": str.ljust,
    "center": str.center,
    "right": str.rjust,
}
Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells, which may have several lines; `heading` is empty for none. `box` is "", "box" or
    "all-box", which has a line below every row."""

    rows: Sequence[Row]
    heading: Row = ()
    aligns: Sequence[str] = ()
    title: str = ""
    box: str = ""

    def draw(self) -> str:
        """The table; nothing when it has no rows."""
        if not self.rows:
            return ""
        return "\n".join(self._boxed() if self.box else self._plain())

    def _widths(self) -> list[int]:
        rows = [self.heading, *self.rows] if self.heading else self.rows
        widths = [
            max(max((len(line) for line in row[column].split("\n")), default=0) for row in rows)
            for column in range(len(self.rows[0]))
        ]
        if len(self.title) > sum(widths):
            more = -(-len(self.title) // len(widths))
            widths = [width + more for width in widths]
        return widths

    def _lines(self, row: Row, widths: Sequence[int]) -> list[list[str]]:
        """A row's lines, each cell as wide as its column."""
        cells = [cell.split("\n") for cell in row]
        aligns = [_ALIGN[name] for name in self.aligns or ["left"] * len(row)]
        return [
            [
                align(cell[line] if line < len(cell) else "", width)
                for cell, width, align in zip(cells, widths, aligns, strict=True)
            ]
            for line in range(max(len(cell) for cell in cells))
        ]

    def _plain(self) -> list[str]:
        widths, between = self._widths(), " " * _PAD
        rows = [self.heading, *self.rows] if self.heading else self.rows
        lines = [between.join(line).rstrip() for row in rows for line in self._lines(row, widths)]
        whole = sum(widths) + _PAD * (len(widths) - 1)
        return [*([self.title.center(whole).rstrip()] if self.title else []), *lines]

    def _boxed(self) -> list[str]:
        widths = self._widths()

        def rule(left: str, between: str, right: str) -> str:
            return left + between.join("─" * (width + 2) for width in widths) + right

        def line(cells: Sequence[str]) -> str:
            return f"│ {' │ '.join(cells)} │"

        middle, lines = rule("├", "┼", "┤"), [rule("┌", "┬", "┐")]
        if self.title:
            whole = sum(widths) + 3 * len(widths) - 1
            lines = [rule("┌", "─", "┐"), f"│{self.title.center(whole)}│", rule("├", "┬", "┤")]
        if self.heading:
            centered = [
                cell.center(width) for cell, width in zip(self.heading, widths, strict=True)
            ]
            lines += [line(centered), middle]
        for index, row in enumerate(self.rows):
            if index and self.box == "all-box":
                lines.append(middle)
            lines += [line(cells) for cells in self._lines(row, widths)]
        return [*lines, rule("└", "┴", "┘")]

"""A picture as an SVG: no script, nothing from elsewhere, readable in light and dark viewers."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gkelab.vpc.layout import FONT, LINE, MARGIN, PADDING, Layout, Placed, lay_out
from gkelab.vpc.picture import Picture

STYLE = f"""
text {{ font: {FONT:g}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  fill: #1b1b1b; white-space: pre; }}
.name {{ font-weight: bold; }}
rect {{ stroke: #5f6368; stroke-width: 1; fill: #fff; }}
rect.page {{ stroke: none; }}
rect.outside {{ fill: #f1f3f4; }}
rect.router {{ fill: #fce8b2; }}
rect.network {{ fill: #e8f0fe; }}
rect.subnet {{ fill: #d2e3fc; }}
rect.cluster {{ fill: #e6f4ea; }}
rect.group {{ fill: #f8f9fa; stroke-dasharray: 4 3; }}
polyline {{ fill: none; stroke: #5f6368; stroke-width: 1.5; }}
"""


def svg(picture: Picture) -> str:
    """The whole drawing as XML text."""
    layout = lay_out(picture)
    size = {"width": f"{layout.width:g}", "height": f"{layout.height:g}"}
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            **size,
            "viewBox": f"0 0 {layout.width:g} {layout.height:g}",
        },
    )
    SubElement(root, "title").text = picture.title
    SubElement(root, "style").text = STYLE
    SubElement(root, "rect", {"class": "page", "x": "0", "y": "0", **size})
    _text(root, picture.title, MARGIN, MARGIN + FONT, "name")
    for placed in layout.boxes:
        _box(root, placed)
    _links(root, layout)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _box(root: Element, placed: Placed) -> None:
    group = SubElement(root, "g")
    SubElement(group, "title").text = placed.box.key
    SubElement(
        group,
        "rect",
        {
            "class": placed.box.sort,
            "x": f"{placed.x:g}",
            "y": f"{placed.y:g}",
            "width": f"{placed.width:g}",
            "height": f"{placed.height:g}",
            "rx": "4",
        },
    )
    for index, line in enumerate(placed.box.lines):
        baseline = placed.y + PADDING + index * LINE + FONT
        _text(group, line, placed.x + PADDING, baseline, "" if index else "name")


def _text(parent: Element, line: str, x: float, y: float, style: str) -> None:
    place = {"x": f"{x:g}", "y": f"{y:g}"}
    SubElement(parent, "text", {**({"class": style} if style else {}), **place}).text = line


def _links(root: Element, layout: Layout) -> None:
    for points in layout.links:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        SubElement(root, "polyline", {"points": path})

"""`invoke diagram`: boxes of what runs, and the same as mermaid and as SVG."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gkelab import commands
from gkelab.cloud.client import Cloud
from gkelab.cloud.ensure import ensure
from gkelab.cloud.resources import resources
from gkelab.errors import LabError
from gkelab.find import Found
from gkelab.vpc import commands as vpc
from gkelab.vpc.layout import CHARACTER, LINE, Layout, Placed, Point, lay_out
from gkelab.vpc.mermaid import mermaid
from gkelab.vpc.picture import Box, Picture, picture
from gkelab.vpc.read import Resources, read
from gkelab.vpc.svg import svg
from gkelab.vpc.view import view
from tests.unit.cloud.test_resources import NAMES, plan_of, pod_cidrs

SVG = "{http://www.w3.org/2000/svg}"


def drawn(cloud: Cloud, name: str) -> Picture:
    plan = plan_of(name)
    ensure(cloud, resources(plan, pod_cidrs(plan)))
    return picture(view(cloud.project, read(cloud)), plan)


def boxes(found: Picture) -> list[Box]:
    return [box for column in found.columns for top in column for box in top.all()]


def test_what_is_in_the_picture_of_the_default_lab(cloud: Cloud) -> None:
    found = drawn(cloud, "vpc-native")
    assert [(box.sort, box.lines) for box in boxes(found)] == [
        ("outside", ("internet", "198.18.0.0/24")),
        ("machine", ("client", "198.18.0.2")),
        ("router", ("VPC router", "10.128.0.1 in us-central1", "198.18.0.1 in the internet")),
        (
            "network",
            (
                "network default",
                "external addresses 203.0.113.0/26",
                "front-end addresses 198.51.100.0/25",
            ),
        ),
        (
            "subnet",
            (
                "subnet us-central1 in us-central1",
                "primary 10.128.0.0/20, 4 of 4092 used",
                "pods 10.0.0.0/20, 192 of 4096 used",
                "services 10.0.16.0/25",
            ),
        ),
        (
            "cluster",
            (
                "cluster vpc-native",
                "pods 10.0.0.0/20, services 10.0.16.0/25",
                "load balancers: external 203.0.113.0/28, internal 10.128.14.0/24",
            ),
        ),
        ("group", ("control plane",)),
        (
            "machine",
            (
                *("vpc-native-control-plane", "us-central1-a", "10.128.0.2"),
                *("pods 10.0.0.0/26", "public 203.0.113.0"),
            ),
        ),
        ("group", ("pool default-pool",)),
        (
            "machine",
            (
                *("vpc-native-worker", "us-central1-a", "10.128.0.3"),
                *("pods 10.0.0.64/26", "public 203.0.113.1"),
            ),
        ),
        (
            "machine",
            (
                *("vpc-native-worker2", "us-central1-b", "10.128.0.4"),
                *("pods 10.0.0.128/26", "public 203.0.113.2"),
            ),
        ),
        ("group", ("VMs",)),
        ("machine", ("vm-a", "us-central1-a", "10.128.8.2", "tags vm")),
    ]
    subnet = "subnet default/us-central1/us-central1"
    assert found.links == (("internet", "router"), ("router", subnet))


def test_two_regions_with_the_way_between_them(cloud: Cloud) -> None:
    found = drawn(cloud, "two-regions")
    lines = [line for box in boxes(found) for line in box.lines]
    assert "us-central1 to europe-west1 and back 100ms" in lines
    assert [end for start, end in found.links if start == "router"] == [
        "subnet default/us-central1/us-central1",
        "subnet default/europe-west1/europe-west1",
    ]


def test_what_somebody_made_by_the_api_is_there_too(cloud: Cloud) -> None:
    drawn(cloud, "small")
    cloud.insert("networks", "global", {"name": "other", "autoCreateSubnetworks": False})
    body = {
        "name": "far",
        "network": "global/networks/other",
        "ipCidrRange": "10.200.0.0/24",
    }
    cloud.insert("subnetworks", "regions/europe-west1", body)
    vm = {
        "name": "own",
        "machineType": "zones/europe-west1-b/machineTypes/e2-small",
        "networkInterfaces": [{"subnetwork": "regions/europe-west1/subnetworks/far"}],
    }
    cloud.insert("instances", "zones/europe-west1-b", vm)
    cloud.write("stop", "instances", "zones/europe-west1-b", {"instance": "own"})
    found = drawn(cloud, "small")
    lines = [box.lines for box in boxes(found)]
    assert ("network other",) in lines
    assert ("own", "europe-west1-b", "10.200.0.2", "TERMINATED") in lines
    # The lab's router knows nothing of that network.
    assert all("other" not in end for _, end in found.links)


# --- mermaid


def test_a_picture_as_mermaid() -> None:
    inner = Box("c", "machine", ("end", '<"a & b">'))
    top = Box("a", "network", ("net", "10.0.0.0/8", "x"), (Box("b", "group", ("g",), (inner,)),))
    found = Picture("lab: a", ((Box("r", "router", ("r",)),), (top,)), (("r", "b"),))
    assert mermaid(found) == "\n".join(
        (
            "---",
            'title: "lab: a"',
            "---",
            "flowchart LR",
            '  b0["r"]',
            '  subgraph b1["net"]',
            '    b1n["10.0.0.0/8<br/>x"]:::note',
            '    subgraph b2["g"]',
            '      b3["end<br/>#60;#34;a #38; b#34;#62;"]',
            "    end",
            "  end",
            "  b0 --- b2",
            "  classDef note fill:none,stroke:none",
            "",
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_labs_mermaid_is_whole(cloud: Cloud, name: str) -> None:
    found = drawn(cloud, name)
    lines = [line.strip() for line in mermaid(found).splitlines()[4:]]
    opened = [line for line in lines if line.startswith("subgraph ")]
    assert len(opened) == lines.count("end")
    declared = re.findall(r"^(?:subgraph )?(b\d+n?)\[\"[^\"]*\"\]", "\n".join(lines), re.MULTILINE)
    assert len(declared) == len(set(declared))
    linked = [line.split(" --- ") for line in lines if " --- " in line]
    assert {end for pair in linked for end in pair} <= set(declared)
    forms = r"subgraph b\d+\[\".+\"\]|b\d+n?\[\".+\"\](:::note)?|end|b\d+ --- b\d+|classDef .*"
    assert [line for line in lines if not re.fullmatch(forms, line)] == []


# --- SVG

Rectangle = tuple[float, float, float, float]


def rectangle(placed: Placed) -> Rectangle:
    return placed.x, placed.y, placed.x + placed.width, placed.y + placed.height


def apart(one: Rectangle, other: Rectangle) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def inside(one: Rectangle, other: Rectangle) -> bool:
    """Whether the first is within the second, with room around it."""
    return one[0] > other[0] and one[1] > other[1] and one[2] < other[2] and one[3] < other[3]


def texts(layout: Layout) -> list[tuple[str, Rectangle]]:
    """Each line of text and what it covers."""
    found = []
    for placed in layout.boxes:
        for index, line in enumerate(placed.box.lines):
            x, y = placed.x + 10, placed.y + 10 + index * LINE
            found.append((placed.box.key, (x, y, x + len(line) * CHARACTER, y + LINE)))
    return found


def parents(found: Picture) -> dict[str, set[str]]:
    """The boxes that each box is in."""
    within: dict[str, set[str]] = {box.key: set() for box in boxes(found)}
    for box in boxes(found):
        for child in box.all():
            if child is not box:
                within[child.key].add(box.key)
    return within


def crosses(points: Sequence[Point], box: Rectangle) -> bool:
    """Whether a line of level and upright pieces goes through a box."""
    for (x1, y1), (x2, y2) in pairwise(points):
        piece = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        if piece[0] < box[2] and piece[2] > box[0] and piece[1] < box[3] and piece[3] > box[1]:
            return True
    return False


def check(found: Picture) -> None:
    """Boxes keep apart or one is in the other, text is in its box and on no other, links cross
    nothing but the boxes that their ends are in, and all of it is on the page."""
    layout = lay_out(found)
    within = parents(found)
    for one, other in combinations(layout.boxes, 2):
        first, second = rectangle(one), rectangle(other)
        if other.box.key in within[one.box.key]:
            assert inside(first, second)
        elif one.box.key in within[other.box.key]:
            assert inside(second, first)
        else:
            assert apart(first, second), (one.box.key, other.box.key)
    places = {placed.box.key: rectangle(placed) for placed in layout.boxes}
    lines = texts(layout)
    for key, line in lines:
        assert inside(line, places[key])
        for other_key, place in places.items():
            if other_key != key and other_key not in within[key]:
                assert apart(line, place), (key, other_key)
    assert all(apart(one, other) for (_, one), (_, other) in combinations(lines, 2))
    for points, (start, end) in zip(layout.links, found.links, strict=True):
        for key, place in places.items():
            # A corner may lie on an edge; one pixel in, it must not.
            core = (place[0] + 1, place[1] + 1, place[2] - 1, place[3] - 1)
            if key not in within[start] | within[end]:
                assert not crosses(points, core), (start, end, key)
        assert not any(crosses(points, line) for _, line in lines)
    page = (0.0, 0.0, layout.width, layout.height)
    assert all(inside(place, page) for place in places.values())


@pytest.mark.parametrize("name", NAMES)
def test_no_two_boxes_of_a_lab_overlap(cloud: Cloud, name: str) -> None:
    check(drawn(cloud, name))


def test_the_check_sees_an_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = (Box("a", "machine", ("a",)), Box("b", "machine", ("b",)))
    found = Picture("", ((Box("c", "group", ("c",), pair, across=True),),), ())
    check(found)
    monkeypatch.setattr("gkelab.vpc.layout.SPACE", -30.0)
    with pytest.raises(AssertionError):
        check(found)


def trees(depth: int) -> st.SearchStrategy[tuple[int, bool, list[object]]]:
    """(lines, across, children) of a box, down to a depth."""
    children = st.lists(trees(depth - 1), max_size=6) if depth else st.just([])
    return st.tuples(st.integers(1, 4), st.booleans(), children)


def grown(tree: object, name: str) -> Box:
    assert isinstance(tree, tuple)
    number, across, children = tree
    lines = tuple(f"{name} {'x' * (7 * index % 20)}" for index in range(number))
    inner = tuple(grown(child, f"{name}.{index}") for index, child in enumerate(children))
    return Box(name, "group", lines, inner, across)


@given(st.lists(st.lists(trees(2), min_size=1, max_size=3), min_size=1, max_size=3))
def test_whatever_is_drawn_nothing_overlaps(columns: list[list[object]]) -> None:
    made = tuple(
        tuple(grown(tree, f"{place}/{index}") for index, tree in enumerate(column))
        for place, column in enumerate(columns)
    )
    check(Picture("t" * 40, made, ()))


@pytest.mark.parametrize("name", NAMES)
def test_the_svg_is_xml_with_every_box_and_line(cloud: Cloud, name: str) -> None:
    found = drawn(cloud, name)
    text = svg(found)
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    groups = root.findall(f"{SVG}g")
    assert [group.findtext(f"{SVG}title") for group in groups] == [b.key for b in boxes(found)]
    for group, placed in zip(groups, lay_out(found).boxes, strict=True):
        (rect,) = group.findall(f"{SVG}rect")
        assert [float(rect.attrib[k]) for k in ("x", "y", "width", "height")] == pytest.approx(
            [placed.x, placed.y, placed.width, placed.height], abs=0.1
        )
        assert [line.text for line in group.findall(f"{SVG}text")] == list(placed.box.lines)
    assert len(root.findall(f"{SVG}polyline")) == len(found.links)
    # Nothing from elsewhere, nothing that runs.
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text


def test_what_xml_takes_for_its_own_is_text() -> None:
    found = Picture("<&>", ((Box("a", "machine", ('<b> & "c"',)),),), ())
    root = ElementTree.fromstring(svg(found))
    assert root.findtext(f"{SVG}title") == "<&>"
    assert root.find(f"{SVG}g/{SVG}text").text == '<b> & "c"'  # type: ignore[union-attr]


# --- the command


def test_both_files_in_the_folder(
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = drawn(cloud, "small")
    lab = Found("small", plan_of("small"), "built")
    monkeypatch.setattr(commands, "find_lab", lambda _: lab)
    monkeypatch.setattr(commands, "cloud_of", lambda _: cloud)
    folder = tmp_path / "new"
    made = vpc.diagram(None, str(folder))
    assert made == (folder / "diagram.mmd", folder / "diagram.svg")
    assert capsys.readouterr().out.splitlines() == [str(path) for path in made]
    assert made[0].read_text() == mermaid(found)
    assert made[1].read_text() == svg(found)
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot be written under"):
        vpc.diagram(None, str(tmp_path / "file"))


def test_a_cloud_with_nothing_is_a_router_without_a_network() -> None:
    found = picture(view("p", Resources([], [], [], [], [], [])), plan_of("small"))
    assert [box.key for box in boxes(found)] == ["internet", "client", "router"]
    assert found.links == (("internet", "router"),)
    check(found)

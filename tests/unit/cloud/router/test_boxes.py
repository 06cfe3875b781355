"""Rules in layers decide as rules in a row do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from gkelab.cloud.router.boxes import Box, Layer, boxes, element, layers
from gkelab.cloud.router.fabric import Fabric, Rule, Service

RULE = Rule("r", "net", "INGRESS", 1000, False, (Service(6, ((80, 80),)),))
NUMBERS = st.integers(0, 5)


@st.composite
def spans(draw: st.DrawFn) -> tuple[int, int]:
    one, other = draw(NUMBERS), draw(NUMBERS)
    return min(one, other), max(one, other)


@st.composite
def rows(draw: st.DrawFn) -> list[Box]:
    made = []
    for number in range(draw(st.integers(0, 14))):
        rule = replace(
            RULE, name=f"r{number}", deny=draw(st.booleans()), logging=draw(st.integers(0, 4)) == 0
        )
        ported = draw(st.booleans())
        bounds = (draw(spans()), draw(spans()), draw(spans()))
        made.append(Box((*bounds, draw(spans()) if ported else (0, 65535)), ported, rule))
    return made


Point = tuple[int, int, int, int]


def inside(box: Box, point: Point) -> bool:
    return all(first <= x <= last for x, (first, last) in zip(point, box.bounds, strict=True))


def first(found: Sequence[Box], point: Point) -> object:
    return next((box.verdict for box in found if inside(box, point)), None)


def by_layers(found: Sequence[Layer], point: Point) -> object:
    for layer in found:
        met = {box.verdict for box in (*layer.ported, *layer.plain) if inside(box, point)}
        assert len(met) < 2
        if met:
            return met.pop()
    return None


@given(rows(), st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=20, max_size=40))
def test_layers_decide_as_the_rules_in_their_order(row: list[Box], points: list[Point]) -> None:
    found = layers(row)
    assert [by_layers(found, point) for point in points] == [first(row, point) for point in points]


def overlap(one: Box, other: Box) -> bool:
    pairs = zip(one.bounds, other.bounds, strict=True)
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in pairs)


@given(rows())
def test_no_two_elements_of_a_map_overlap(row: list[Box]) -> None:
    for layer in layers(row):
        for sort in (layer.ported, layer.plain):
            met = [(a, b) for i, a in enumerate(sort) for b in sort[:i] if overlap(a, b)]
            assert met == []


def test_a_thousand_rules_that_do_not_meet_are_one_layer() -> None:
    rules = [
        replace(RULE, name=f"r{n}", deny=bool(n % 2), services=(Service(6, ((n, n),)),))
        for n in range(1000)
    ]
    found = layers([box for rule in rules for box in boxes(rule, Fabric())])
    assert [len(layer.ported) for layer in found] == [1000]


def test_what_an_earlier_rule_decides_is_left_out() -> None:
    rule = replace(RULE, sources=(IPv4Network("10.0.0.0/8"),))
    wide = replace(RULE, services=(Service(None),), deny=True)
    (layer,) = layers([*boxes(wide, Fabric()), *boxes(rule, Fabric())])
    assert (len(layer.plain), len(layer.ported)) == (1, 0)


def test_elements() -> None:
    rule = replace(
        RULE,
        sources=(IPv4Network("10.0.0.0/25"), IPv4Network("10.0.0.128/25")),
        services=(Service(6, ((80, 90),)), Service(None)),
    )
    assert [element(box) for box in boxes(rule, Fabric())] == [
        "10.0.0.0/24 . 0.0.0.0/0 . 6 . 80-90",
        "10.0.0.0/24 . 0.0.0.0/0 . 0-255",
    ]

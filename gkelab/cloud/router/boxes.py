"""Firewall rules as boxes of addresses, protocols and ports, laid in layers that maps can hold.

nftables looks a packet up in a map in about the same time whether it has ten elements or a
thousand, but elements of a map must not overlap, and a map knows no priorities. So rules are laid
in layers: a rule lies above (in a later layer than) every earlier one of another verdict that it
overlaps. Within a layer nothing of different verdicts overlaps, so that a layer is a map, and the
first layer that knows a packet decides. A thousand rules that do not meet are one layer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from itertools import accumulate, product
from operator import or_

from gkelab.cloud.router.fabric import EVERYWHERE, Fabric, Rule

Span = tuple[int, int]
# Sources, destinations, protocols, ports: first and last of each.
Bounds = tuple[Span, Span, Span, Span]
ALL_PROTOCOLS: Span = (0, 255)
ALL_PORTS: Span = (0, 65535)
ALL_ADDRESSES: Span = (0, (1 << 32) - 1)
WHOLE: Bounds = (ALL_ADDRESSES, ALL_ADDRESSES, ALL_PROTOCOLS, ALL_PORTS)


@dataclass(frozen=True)
class Box:
    """What part of a rule matches. `ported`: a packet must have ports to be in it."""

    bounds: Bounds
    ported: bool
    rule: Rule

    @property
    def verdict(self) -> object:
        """What becomes of a packet; a rule that logs is told from all others."""
        return self.rule.name if self.rule.logging else self.rule.deny


@dataclass(frozen=True)
class Layer:
    """Boxes of which those with different verdicts do not overlap, nor those of the same sort."""

    ported: tuple[Box, ...]
    plain: tuple[Box, ...]


def boxes(rule: Rule, fabric: Fabric) -> Iterator[Box]:
    """What a rule matches: one box for each source, destination, protocol and range of ports."""
    sources = list(rule.sources)
    sources += [IPv4Network(a) for a in fabric.tagged(rule.network, rule.source_tags)]
    if not rule.sources and not rule.source_tags:
        sources = [EVERYWHERE]
    spans = product(_spans(sources), _spans(rule.destinations or [EVERYWHERE]))
    services = [
        (ALL_PROTOCOLS if s.protocol is None else (s.protocol, s.protocol), ports, bool(s.ports))
        for s in rule.services
        for ports in (s.ports or (ALL_PORTS,))
    ]
    for (source, destination), (protocol, ports, ported) in product(spans, services):
        yield Box((source, destination, protocol, ports), ported, rule)


def _spans(networks: Sequence[IPv4Network]) -> list[Span]:
    apart = networks if len(networks) == 1 else collapse_addresses(networks)
    return [(int(n.network_address), int(n.broadcast_address)) for n in apart]


def layers(all_boxes: Sequence[Box]) -> list[Layer]:
    """Boxes in the order in which their rules decide, as layers, the first to decide first."""
    members: list[int] = []  # by level: a bit for each box that is in it
    decides = 0  # a bit for each box that is in some
    ported = sum(1 << i for i, box in enumerate(all_boxes) if box.ported)
    verdicts: dict[object, int] = {}
    for i, box in enumerate(all_boxes):
        verdicts[box.verdict] = verdicts.get(box.verdict, 0) | 1 << i
    for i, (box, meets) in enumerate(zip(all_boxes, _meetings(all_boxes), strict=True)):
        earlier = meets & ((1 << i) - 1)
        if any(_within(box, all_boxes[j]) for j in _bits(earlier & decides)):
            continue
        same = earlier & verdicts[box.verdict]
        other = earlier & ~same
        level = next((n + 1 for n in reversed(range(len(members))) if members[n] & other), 0)
        alike = same & (ported if box.ported else ~ported)
        while level < len(members) and members[level] & alike:
            level += 1
        if level == len(members):
            members.append(0)
        members[level] |= 1 << i
        decides |= 1 << i
    return [_layer([all_boxes[i] for i in _bits(bits)]) for bits in members]


def _layer(found: list[Box]) -> Layer:
    return Layer(
        tuple(box for box in found if box.ported), tuple(box for box in found if not box.ported)
    )


def _within(inner: Box, outer: Box) -> bool:
    if outer.ported and not inner.ported:
        return False
    return all(
        o[0] <= i[0] and i[1] <= o[1] for i, o in zip(inner.bounds, outer.bounds, strict=True)
    )


def _bits(number: int) -> Iterator[int]:
    while number:
        lowest = number & -number
        yield lowest.bit_length() - 1
        number ^= lowest


def _meetings(all_boxes: Sequence[Box]) -> Iterator[int]:
    """For each box, a bit for each box that it overlaps, itself among them. Two overlap if in each
    dimension each begins before the other ends; who begins (ends) before a point is looked up."""
    dimensions = []
    for d in range(4):
        starts = _cumulated((box.bounds[d][0], i) for i, box in enumerate(all_boxes))
        ends = _cumulated((box.bounds[d][1], i) for i, box in enumerate(all_boxes))
        dimensions.append((starts, ends))
    everyone = (1 << len(all_boxes)) - 1
    for box in all_boxes:
        meets = everyone
        for (starts, ends), (first, last) in zip(dimensions, box.bounds, strict=True):
            meets &= starts[1][bisect_right(starts[0], last)]
            meets &= ~ends[1][bisect_left(ends[0], first)]
        yield meets


def _cumulated(points: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The points in order, and who has one of the first 0, 1, 2, ... of them."""
    ordered = sorted(points)
    bits = accumulate((1 << i for _, i in ordered), or_, initial=0)
    return [point for point, _ in ordered], list(bits)


def element(box: Box) -> str:
    """The box as the key of a map."""
    source, destination, protocol, ports = box.bounds
    words = [_addresses(source), _addresses(destination), _numbers(protocol)]
    return " . ".join([*words, _numbers(ports)] if box.ported else words)


def _addresses(span: Span) -> str:
    first, last = span
    size = last - first + 1
    if size & (size - 1) == 0 and first % size == 0:
        return f"{IPv4Address(first)}/{33 - size.bit_length()}"
    return f"{IPv4Address(first)}-{IPv4Address(last)}"


def _numbers(span: Span) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"

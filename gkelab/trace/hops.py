"""From packets heard to hops, the router's with what its rules say of the packet: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import groupby

from gkelab.cloud.router.decide import Decision, Packet, decide
from gkelab.cloud.router.fabric import Fabric
from gkelab.trace.follow import Followed
from gkelab.trace.listen import Heard
from gkelab.trace.model import Decided, Hop, Seen
from gkelab.trace.plan import ROUTER, Place

NOBODY = IPv4Address("0.0.0.0")


@dataclass(frozen=True)
class Pass:
    """The probe at the router once: as it came in, as it went out (None: it did not), and what
    is decided of it."""

    came: Heard
    went: Heard | None
    decision: Decision


@dataclass(frozen=True)
class Way:
    """The hops with what was heard, and the router's passes among them."""

    hops: tuple[Hop, ...]
    passes: tuple[Pass, ...]


def way(
    followed: Followed,
    expected: Sequence[Place],
    places: Mapping[str, Place],
    fabric: Fabric,
    internet: str | None,
) -> Way:
    """The hops in the order in which the probe came to them, then those that it should have come
    to. `places` are by key; `internet` is the router's interface towards the internet."""
    start = followed.probe[0].time if followed.probe else 0
    answers = {
        key: tuple(_seen(one, start) for one in followed.answer if one.place == key)
        for key in places
    }
    hops: list[Hop] = []
    passes: list[Pass] = []
    told: set[str] = set()
    for key, heard in _visits(followed.probe, places):
        place, decided = places[key], None
        if place.kind == ROUTER and not heard[0].out:
            passes.append(_pass(heard, fabric, internet))
            decided = _decided(passes[-1])
        answer = () if key in told else answers[key]
        told.add(key)
        seen = tuple(_seen(one, start) for one in heard)
        hops.append(Hop(place.kind, place.name, seen, answer, decided))
    hops += [Hop(place.kind, place.name) for place in _missed(expected, told)]
    return Way(tuple(hops), tuple(passes))


def _visits(
    probe: Iterable[Heard], places: Mapping[str, Place]
) -> Iterator[tuple[str, list[Heard]]]:
    """The probe's stays at a place; the router may be passed twice one after the other."""
    for key, group in groupby(probe, lambda one: one.place):
        heard = list(group)
        again = [n for n, one in enumerate(heard) if n and not one.out]
        if places[key].kind != ROUTER or not again:
            yield key, heard
            continue
        for first, last in zip([0, *again], [*again, len(heard)], strict=True):
            yield key, heard[first:last]


def _missed(expected: Sequence[Place], told: set[str]) -> Iterator[Place]:
    """What comes after the last place that was reached."""
    reached = [n for n, place in enumerate(expected) if place.key in told]
    after = expected[reached[-1] + 1 :] if reached else expected
    yield from after


def _pass(heard: Sequence[Heard], fabric: Fabric, internet: str | None) -> Pass:
    came = heard[0]
    went = next((one for one in heard if one.out), None)
    return Pass(came, went, decide(fabric, packet_of(came, internet)))


def packet_of(came: Heard, internet: str | None) -> Packet:
    """The packet that the router got, as its rules are asked about it: who sent it, the frame's
    MAC address tells (Compute's scheme: 42:01 and the primary address)."""
    frame = came.frame
    return Packet(
        sender=None if came.interface == internet else sender_of(frame.source_mac),
        source=IPv4Address(frame.source),
        destination=IPv4Address(frame.destination),
        protocol=frame.protocol,
        port=frame.destination_port,
    )


def sender_of(mac: str) -> IPv4Address:
    """The primary address that a MAC address stands for; 0.0.0.0 if it is none of Compute's."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return IPv4Address(raw[2:]) if raw[:2] == b"\x42\x01" else NOBODY


def _decided(one: Pass) -> Decided:
    said = one.decision
    return Decided(
        fate=said.fate.value,
        route=said.route,
        receiver=said.receiver,
        egress_rule=said.egress,
        ingress_rule=said.ingress,
        passed=one.went is not None,
    )


def _seen(one: Heard, start: int) -> Seen:
    frame = one.frame
    return Seen(
        interface=one.interface,
        direction="out" if one.out else "in",
        source=frame.source,
        source_port=frame.source_port,
        destination=frame.destination,
        destination_port=frame.destination_port,
        ttl=frame.ttl,
        microseconds=(one.time - start) // 1000,
    )

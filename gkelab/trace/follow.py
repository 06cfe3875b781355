"""Which of the packets that were heard are the probe, and which its answer: pure.

TCP's first sequence number, or the token in a payload, stays the same whoever translates
addresses and ports on the way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gkelab.trace.listen import Heard
from gkelab.trace.packets import ACK, ECHO, ECHO_REPLY, ICMP, RST, SYN, TCP, Frame


@dataclass(frozen=True)
class Sought:
    """What is known of the probe before it is heard: where it may begin (places), where it may
    be sent to (addresses and ports, also those of backends), its protocol and its token."""

    begins: Collection[str]
    addresses: Collection[str]
    ports: Collection[int]
    protocol: int
    token: bytes


@dataclass(frozen=True)
class Followed:
    """The probe's packets and its answer's, each once for every time that it crossed an
    interface, in time's order."""

    probe: tuple[Heard, ...] = ()
    answer: tuple[Heard, ...] = ()


def follow(heard: Sequence[Heard], sought: Sought) -> Followed:
    """The probe and its answer."""
    if sought.protocol == TCP:
        first = next((one for one in heard if _begins(one, sought)), None)
        if first is None:
            return Followed()
        number = first.frame.sequence
        probe = [one for one in heard if _syn(one.frame) and one.frame.sequence == number]
    else:
        probe = [one for one in heard if _carries(one.frame, sought)]
    return Followed(tuple(_once(probe)), tuple(_once(_answers(heard, probe, sought))))


def _begins(one: Heard, sought: Sought) -> bool:
    frame = one.frame
    there = frame.destination in sought.addresses and frame.destination_port in sought.ports
    return one.out and one.place in sought.begins and _syn(frame) and there


def _syn(frame: Frame) -> bool:
    return frame.protocol == TCP and frame.flags & (SYN | ACK) == SYN


def _carries(frame: Frame, sought: Sought) -> bool:
    if frame.protocol != sought.protocol or sought.token not in frame.payload:
        return False
    if frame.protocol == ICMP:
        return frame.kind == ECHO
    return frame.destination_port in sought.ports


def _answers(heard: Iterable[Heard], probe: Sequence[Heard], sought: Sought) -> Iterator[Heard]:
    """What comes back: from the far end of what the probe was at that place, or an error about
    it. Of a place where the probe was not heard, what TCP acknowledges or the token tells."""
    tuples = {(one.place, one.frame.ends) for one in probe}
    numbers = {(one.frame.sequence + 1) & 0xFFFFFFFF for one in probe}
    for one in heard:
        frame = one.frame
        if frame.quoted is not None:
            if (one.place, frame.quoted.ends) in tuples:
                yield one
        elif frame.protocol != sought.protocol:
            continue
        elif frame.protocol == TCP:
            said = frame.flags & ACK and frame.flags & (SYN | RST)
            if said and frame.acknowledged in numbers:
                yield one
        elif frame.protocol == ICMP:
            if frame.kind == ECHO_REPLY and sought.token in frame.payload:
                yield one
        elif (one.place, frame.reverse) in tuples:
            yield one


def _once(found: Iterable[Heard]) -> Iterator[Heard]:
    """Without what was sent again: the same packet at the same place, as far as it had come."""
    seen = set()
    for one in found:
        frame = one.frame
        key = (one.place, one.interface, one.out, frame.ends, frame.ttl, frame.flags, frame.kind)
        if key not in seen:
            seen.add(key)
            yield one

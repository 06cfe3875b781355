"""What became of traffic: the prober's lines as data, and the arithmetic of what was lost.

Pure: times are seconds since the epoch as the prober told them, results are milliseconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

LEAD = 1.0  # seconds: what was on its way when a fault came may be lost by it
ALIVE = 1.0  # seconds: an established connection that is well was answered within


@dataclass(frozen=True)
class Message:
    """A message of the stream. `answered` is None for one that never was."""

    number: int
    sent: float
    answered: float | None


@dataclass(frozen=True)
class Reset:
    """An end of the stream's connection, and why."""

    at: float
    why: str


@dataclass(frozen=True)
class Request:
    """A request on a connection of its own. `why` is "" for one that was answered, else what was
    wrong: TIMEOUT, REFUSED, RESET, UNREACHABLE, DNS_ERROR, HTTP 503."""

    number: int
    began: float
    ended: float
    why: str


@dataclass(frozen=True)
class Record:
    """All that a prober told. `ended` is when it ended, None for one that has not (yet)."""

    messages: tuple[Message, ...]
    resets: tuple[Reset, ...]
    requests: tuple[Request, ...]
    ended: float | None = None


@dataclass(frozen=True)
class Loss:
    """What a fault cost. `survived`: the established connection was there before and after, with
    every message answered. `gap_ms` is the longest time without an answer on it, its interval
    included; `requests_gap_ms` the same between answered requests. `recovery_ms` is from the
    fault to the first answered request after the last one that was lost: 0 when none was, None
    when it never came. `reasons` counts lost requests by why.
    """

    survived: bool
    messages: int
    messages_lost: int
    resets: int
    gap_ms: float
    requests: int
    requests_lost: int
    requests_gap_ms: float
    recovery_ms: float | None
    reasons: Mapping[str, int] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def parse(text: str) -> Record:
    """A prober's output; its last line may be cut off. Raises ValueError for other lines."""
    messages: list[Message] = []
    resets: list[Reset] = []
    requests: list[Request] = []
    ended: float | None = None
    whole, _, _ = text.rpartition("\n")
    for line in whole.splitlines():
        match json.loads(line):
            case ["answer", number, sent, at]:
                messages.append(Message(number, sent, at))
            case ["lost", number, at]:
                messages.append(Message(number, at, None))
            case ["reset", at, why]:
                resets.append(Reset(at, why))
            case ["request", number, began, end, why]:
                requests.append(Request(number, began, end, why))
            case ["end", at]:
                ended = at
            case _:
                raise ValueError(f"not a prober's line: {line}")
    messages.sort(key=lambda message: message.number)
    requests.sort(key=lambda request: request.number)
    return Record(tuple(messages), tuple(resets), tuple(requests), ended)


def loss(record: Record, at: float) -> Loss:
    """What was lost of the traffic by a fault at that time. What was sent up to LEAD before it
    counts too, as it may have been on its way."""
    since = at - LEAD
    messages = [message for message in record.messages if message.sent >= since]
    resets = [reset for reset in record.resets if reset.at >= since]
    requests = [request for request in record.requests if request.began >= since]
    lost = [request for request in requests if request.why]
    dead = sum(message.answered is None for message in messages)
    return Loss(
        survived=bool(messages) and not resets and not dead,
        messages=len(messages),
        messages_lost=dead,
        resets=len(resets),
        gap_ms=_gap(
            [message.sent for message in messages],
            [message.answered for message in messages if message.answered is not None],
        ),
        requests=len(requests),
        requests_lost=len(lost),
        requests_gap_ms=_gap(
            [request.began for request in requests],
            [request.ended for request in requests if not request.why],
        ),
        recovery_ms=_recovery(requests, at),
        reasons=dict(Counter(request.why for request in lost)),
    )


def _gap(sent: Sequence[float], answered: Iterable[float]) -> float:
    """The longest time without an answer, from the first that was sent to the last."""
    if not sent:
        return 0.0
    first, last = min(sent), max(sent)
    ends = sorted({first, *answered})
    return _ms(max(b - a for a, b in pairwise([*ends, max(last, ends[-1])])))


def _recovery(requests: Sequence[Request], at: float) -> float | None:
    lost = [request.began for request in requests if request.why]
    if not lost:
        return 0.0
    after = [r.ended for r in requests if not r.why and r.began > max(lost)]
    return _ms(max(0.0, min(after) - at)) if after else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def is_steady(
    record: Record, now: float, *, stream: float, requests: float, timeout: float, window: float
) -> bool:
    """Whether the traffic goes as it should: the stream was answered just now and lost nothing
    for `window` seconds, and so long no request failed. `stream` and `requests` are the seconds
    from one to the next (0: there are none), `timeout` is a request's: only of those that began
    that long ago all is known."""
    return (not stream or _stream_steady(record, now, window)) and (
        not requests or _requests_steady(record, now - timeout, window, requests)
    )


def _stream_steady(record: Record, now: float, window: float) -> bool:
    since = now - window
    alive = any(m.answered is not None and m.answered >= now - ALIVE for m in record.messages)
    lost = any(m.answered is None and m.sent >= since for m in record.messages)
    return alive and not lost and not any(reset.at >= since for reset in record.resets)


def _requests_steady(record: Record, known: float, window: float, every: float) -> bool:
    begun = [r for r in record.requests if r.began >= known - window]
    told = sum(request.began <= known for request in begun)
    # Those that hang are not told of at all; a busy machine may leave out a few.
    return told >= 0.6 * window / every and not any(request.why for request in begun)

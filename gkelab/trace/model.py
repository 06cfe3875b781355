"""What a trace tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class EndView:
    """An end of the probe, and its address."""

    kind: str
    name: str
    address: str


@dataclass(frozen=True)
class Seen:
    """A packet at a capture point. `microseconds` since it was first seen; ports are 0 where
    there are none."""

    interface: str
    direction: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    ttl: int
    microseconds: int


@dataclass(frozen=True)
class Decided:
    """What the firewall's specification says of the packet as the router got it. `fate` is
    delivered or the check that drops it; rules are named where they were asked."""

    fate: str
    route: str
    receiver: str
    egress_rule: str
    ingress_rule: str
    passed: bool


@dataclass(frozen=True)
class Hop:
    """A place on the way. Nothing `seen`: the packet did not get there."""

    kind: str
    name: str
    seen: tuple[Seen, ...] = ()
    answer: tuple[Seen, ...] = ()
    decided: Decided | None = None


@dataclass(frozen=True)
class Drop:
    """Where the probe ended, what ended it (a rule or a check by its name), and a sentence."""

    at: str
    what: str
    why: str


@dataclass(frozen=True)
class Trace:
    """A probe's story. `outcome` is how it ended for its sender, `delivered` whether a receiver
    saw it, `answered_by` who sent the answer ("" for nobody); `counters` are the router's that
    rose meanwhile. `disagreements` are what was seen against what was decided."""

    source: EndView
    destination: EndView
    protocol: str
    port: int
    outcome: str
    detail: str
    delivered: bool
    received_by: str
    answered_by: str
    hops: tuple[Hop, ...]
    dropped: Drop | None
    counters: dict[str, int] = field(hash=False, default_factory=dict)
    disagreements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the packet did what was decided."""
        return not self.disagreements

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return {**asdict(self), "agrees": self.agrees}

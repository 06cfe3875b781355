"""Firewall rules as a person reads them, in the order in which they decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gkelab.vpc.read import Body

EVERYWHERE = "0.0.0.0/0"
_LOWEST = 65535


@dataclass(frozen=True)
class RuleView:
    """A rule of a network. `targets` are the tags of the instances that it is for; none means all.
    `implied`: it is in every network, and no resource (docs firewall/docs/firewalls)."""

    priority: int
    name: str
    direction: str
    action: str
    protocols: tuple[str, ...]
    source_ranges: tuple[str, ...]
    source_tags: tuple[str, ...]
    destination_ranges: tuple[str, ...]
    targets: tuple[str, ...]
    disabled: bool
    logged: bool
    implied: bool

    @property
    def sources(self) -> str:
        """Who may be at the other end, or at the near one: ranges, and tags as such."""
        tags = [f"tag {tag}" for tag in self.source_tags]
        own = self._own if self.direction == "EGRESS" else []
        return ", ".join([*own, *self.source_ranges, *tags])

    @property
    def destinations(self) -> str:
        """Where to: ranges, and instances by their tags."""
        own = self._own if self.direction == "INGRESS" else []
        return ", ".join([*own, *self.destination_ranges])

    @property
    def _own(self) -> list[str]:
        return [f"tag {tag}" for tag in self.targets] or ["all instances"]


def rules_of(bodies: Sequence[Body]) -> tuple[RuleView, ...]:
    """The rules of a network with those that are implied: the lowest number decides first, and of
    the same number what denies."""
    rules = [*map(_rule, bodies), _implied("INGRESS"), _implied("EGRESS")]
    return tuple(
        sorted(rules, key=lambda one: (one.implied, one.priority, one.action != "deny", one.name))
    )


def _rule(body: Body) -> RuleView:
    side = "denied" if body.get("denied") else "allowed"
    return RuleView(
        priority=body["priority"],
        name=body["name"],
        direction=body["direction"],
        action="deny" if side == "denied" else "allow",
        protocols=tuple(_protocol(one) for one in body.get(side, [])),
        source_ranges=tuple(body.get("sourceRanges", [])),
        source_tags=tuple(body.get("sourceTags", [])),
        destination_ranges=tuple(body.get("destinationRanges", [])),
        targets=tuple(body.get("targetTags", [])),
        disabled=body.get("disabled", False),
        logged=body.get("logConfig", {}).get("enable", False),
        implied=False,
    )


def _protocol(one: Body) -> str:
    ports = ",".join(one.get("ports", []))
    return f"{one['IPProtocol']}:{ports}" if ports else str(one["IPProtocol"])


def _implied(direction: str) -> RuleView:
    ingress = direction == "INGRESS"
    return RuleView(
        priority=_LOWEST,
        name="(implied)",
        direction=direction,
        action="deny" if ingress else "allow",
        protocols=("all",),
        source_ranges=(EVERYWHERE,) if ingress else (),
        source_tags=(),
        destination_ranges=() if ingress else (EVERYWHERE,),
        targets=(),
        disabled=False,
        logged=False,
        implied=True,
    )

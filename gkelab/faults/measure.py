"""One fault under traffic: its ways are watched before, while and after it is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from gkelab.faults.catalog import Fault
from gkelab.faults.flow import WINDOW, Flow
from gkelab.faults.record import Loss, loss
from gkelab.faults.stage import Stage
from gkelab.wait import WaitError, until

RECOVERS = 180.0  # seconds after which traffic is taken for lost for good


@dataclass(frozen=True)
class Measured:
    """What a fault cost the traffic of one way."""

    fault: str
    way: str
    loss: Loss

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for --json."""
        return {"fault": self.fault, "way": self.way, **self.loss.to_dict()}


def measure(
    stage: Stage,
    fault: Fault,
    *,
    now: Callable[[], float] = time.time,
) -> list[Measured]:
    """Inject a fault into a stage that is whole, and make it whole again, whatever happens.

    Traffic runs until it is steady without help from anyone, at most for RECOVERS seconds after
    the fault; one that is not steady by then has no recovery or a late one, which is a result
    and no error. Raises WaitError when traffic was not steady before, or the lab does not become
    whole again.
    """
    with ExitStack() as stack:
        flows: dict[str, Flow] = {
            name: stack.enter_context(stage.flowing(name)) for name in fault.ways
        }
        for name, each in flows.items():
            each.await_steady(f"{name}, before {fault.name}")
        shot = fault.aim(stage)
        at = now()
        try:
            shot()
            _watch(list(flows.values()), now)
            records = {name: each.stop() for name, each in flows.items()}
        finally:
            stage.restore()
    return [Measured(fault.name, name, loss(record, at)) for name, record in records.items()]


def _watch(flows: list[Flow], now: Callable[[], float]) -> None:
    """Wait until all of them are steady by what they did since now."""
    least = now() + WINDOW + max(flow.traffic.timeout for flow in flows)
    try:
        until(
            lambda: now() >= least and all(flow.steady() for flow in flows),
            bool,
            what="traffic is steady again",
            timeout=RECOVERS,
            interval=0.2,
        )
    except WaitError:
        return  # the figures tell

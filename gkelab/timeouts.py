"""Every time limit of the lab, in seconds, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """Generous on purpose: they bound what is broken, not what is slow."""

    docker_answers: float = 60
    docker_stops: float = 60
    create_cluster: float = 600
    nodes_ready: float = 300
    rollout: float = 420
    webhook: float = 180
    address: float = 120
    api_answers: float = 180
    lock: float = 0
    collect: float = 120  # all of a bundle of logs
    collect_each: float = 30  # one of its commands


TIMEOUTS = Timeouts()

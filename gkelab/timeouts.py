"""Every time limit of the lab, in seconds, in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """Generous on purpose: they bound what is broken, not what is slow."""

    docker_answers: float = 60
    docker_stops: float = 60
    create_cluster: float = 600
    rollout: float = 420
    node_boots: float = 90
    join: float = 180
    drain: float = 120  # GKE gives a node's pods an hour; then it goes all the same
    webhook: float = 180
    vpc: float = 120
    api_answers: float = 180
    container: float = 20  # for one answer out of a container of the lab's own
    kubectl: float = 20  # for one answer, where it is asked again and again
    fill_store: float = 30  # for containerd to come up, and to stop, where a store is filled
    registry_answers: float = 4  # all registries at once
    program_version: float = 10  # for an installed program to say its version
    download_stalls: float = 30  # without a byte
    # Who does not answer in time is passed over: a lab is possible without a network.
    look_ups: float = 2  # of all names together
    mirror_setting: float = 10  # for go or pip to tell it
    collect: float = 120  # all of a bundle of logs
    collect_each: float = 30  # one of its commands


TIMEOUTS = Timeouts()

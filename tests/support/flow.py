"""Traffic from a place: the lab's own prober, wherever a probe can run."""

from __future__ import annotations

from contextlib import AbstractContextManager

from gkelab.faults.flow import Flow, Traffic, flowing
from tests.support.places import ContainerPlace, HostPlace, PodPlace

__all__ = ["Flow", "Traffic", "flow"]


def flow(
    place: PodPlace | ContainerPlace | HostPlace, traffic: Traffic
) -> AbstractContextManager[Flow]:
    """Keep traffic going while the block runs; `stop` of what it gives tells what became of it."""
    return flowing(words(place), traffic)


def words(place: PodPlace | ContainerPlace | HostPlace) -> list[str]:
    """What runs a command there with standard input, which is the prober's leash."""
    if isinstance(place, PodPlace):
        which = [f"--container={place.container}"] if place.container else []
        where = [f"--namespace={place.namespace}", "exec", "--stdin", place.pod, *which, "--"]
        return place.kubectl.argv(*where)
    if isinstance(place, ContainerPlace):
        return ["docker", "exec", "--interactive", place.name]
    return []

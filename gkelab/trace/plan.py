"""Where to listen, and which way a packet should take: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gkelab.trace.resolve import End
from gkelab.trace.world import World

# Backends of one Service at which is listened.
MOST = 64
ROUTER = "router"


@dataclass(frozen=True)
class Place:
    """A network namespace: a machine's, the router's, or a pod's on its machine (then `pod` is
    its address). `name` is what a hop there is called."""

    kind: str
    name: str
    machine: str
    pod: str = ""

    @property
    def key(self) -> str:
        """What it is known by: the container, or the pod's address on it."""
        return f"{self.machine} {self.pod}" if self.pod else self.machine


def places(source: End, target: End, world: World, router: str) -> tuple[Place, ...]:
    """Where to listen: at both ends and the router; for a Service, at all nodes of its cluster,
    as any of them may announce its address, and at its backends."""
    found = [*_of(source, world), Place(ROUTER, router, router), *_of(target, world)]
    for backend in target.backends[:MOST]:
        found += _of(backend, world)
    if target.kind == "service":
        nodes = (m for m in world.machines if m.kind == "node" and m.cluster == target.cluster)
        found += [Place("node", node.name, node.container) for node in nodes]
    return tuple({place.key: place for place in reversed(found)}.values())[::-1]


def _of(end: End, world: World) -> Iterator[Place]:
    if end.pod:
        yield Place("pod", end.name, end.machine, end.pod)
    machine = world.machine(end.machine)
    if machine:
        yield Place(machine.kind, machine.name, machine.container)


def begins(source: End, found: tuple[Place, ...]) -> Place:
    """Where the probe begins."""
    key = f"{source.machine} {source.pod}" if source.pod else source.machine
    return next(place for place in found if place.key == key)


def expected(source: End, target: End, found: tuple[Place, ...], router: str) -> tuple[Place, ...]:
    """The way from end to end, as far as it is known beforehand: to one of several backends, or
    to nobody, only to the router."""
    by_key = {place.key: place for place in found}

    def of(end: End, *, inwards: bool) -> list[Place]:
        own = [f"{end.machine} {end.pod}"] if end.pod else []
        way = [by_key[key] for key in (*own, end.machine) if key in by_key]
        return way[::-1] if inwards else way

    ends = [target] if target.machine else list(target.backends)
    last = of(ends[0], inwards=True) if len(ends) == 1 else []
    first = of(source, inwards=False)
    if last and ends[0].machine == source.machine:
        return tuple(dict.fromkeys([*first, *last]))
    return (*first, by_key[router], *last)


def receivers(target: End, found: tuple[Place, ...]) -> frozenset[str]:
    """The keys of the places where a packet has arrived."""
    ends = target.backends if target.kind == "service" else (target,)
    keys = {f"{end.machine} {end.pod}" if end.pod else end.machine for end in ends}
    return frozenset(keys & {place.key for place in found})

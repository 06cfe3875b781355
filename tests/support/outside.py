"""The client outside, for a moment as a VM of the VPC: it knows the way to some of its addresses.

By itself it is a machine on the internet, whose routes to pods and Services end in unreachable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gkelab.tools.docker import Docker


@contextmanager
def routed(docker: Docker, container: str, ways: Mapping[str, str]) -> Iterator[None]:
    """Inside the block the container has a route to each address by its next hop, a node; what
    the node does with such packets is what the test is about. Raises CommandError."""
    lines = [f"{address}/32 via {hop}" for address, hop in ways.items()]
    _batch(docker, container, [f"route replace {line}" for line in lines])
    try:
        yield
    finally:
        _batch(docker, container, [f"route delete {line}" for line in lines])


def _batch(docker: Docker, container: str, lines: list[str]) -> None:
    docker.exec(container, ["ip", "-batch", "-"], input="".join(f"{line}\n" for line in lines))

"""Requests that get into a cluster by a node of one's choice."""

from __future__ import annotations

from gkelab.lab import Lab
from gkelab.topology import Node
from tests.support import changes
from tests.support.outcomes import Answer
from tests.support.probes import HostPlace, http_many
from tests.support.timeouts import TIMEOUTS


def by_way_of(
    lab: Lab,
    address: str,
    node: Node,
    count: int,
    *,
    port: int = 80,
    timeout: float = TIMEOUTS.probe,
) -> list[Answer]:
    """Answers to requests that go to that node, whoever has or announces the address: from the
    host, which is on every subnet's link, at the address of docker's bridge. (What the VPC router
    does not know it puts right.)"""
    host = HostPlace(lab.run)
    with changes.route(host, f"{address}/32", "via", str(node.address)):
        return http_many(host, f"http://{address}:{port}/", count, timeout=timeout)

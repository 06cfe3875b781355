"""Where a flow begins: the words that run the prober there, with its leash."""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.tools.docker import Docker
from gkelab.tools.kubectl import Kubectl
from tests.support.flow import Traffic, flow, words
from tests.support.places import ContainerPlace, HostPlace, PodPlace
from tests.support.recorder import Recorder
from tests.unit.support.servers import HERE, running

RUN = Recorder()
KUBECTL = Kubectl(Path("/k"), Path("/config"), "kind-x", RUN)
HOW = ["/k", "--kubeconfig", "/config", "--context", "kind-x", "--namespace=ns", "exec", "--stdin"]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (PodPlace(KUBECTL, "ns", "p"), [*HOW, "p", "--"]),
        (PodPlace(KUBECTL, "ns", "p", "c"), [*HOW, "p", "--container=c", "--"]),
        (ContainerPlace(Docker(RUN), "client"), ["docker", "exec", "--interactive", "client"]),
        (HostPlace(RUN), []),
    ],
)
def test_with_standard_input(
    place: PodPlace | ContainerPlace | HostPlace, expected: list[str]
) -> None:
    assert words(place) == expected


def test_it_flows_from_there() -> None:
    with running() as ports, flow(HostPlace(RUN), Traffic(HERE, ports.tcp, timeout=1)) as each:
        each.await_steady("lines")
        assert each.stop().messages

"""What the tables of policies stand on: their pods, and policies that are gone after each case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

import pytest

from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support.netpol import Enforcer
from tests.support.probes import Probe
from tests.support.reach import Reach, Target
from tests.support.spaces import Spaces
from tests.support.timeouts import TIMEOUTS

LINE = 9000  # where the workload's line server listens


@pytest.fixture(scope="module")
def values(spaces: Spaces, cluster: Cluster) -> Mapping[str, str]:
    """What a policy's Refs stand for: "x" is a namespace, "x/a/32" a pod, "far/32" the second
    worker; "client/32", "client/25" and "client/24" have the client outside in them, "others/25"
    is the other half of the last."""
    found = {name: space.name for name, space in spaces.by_name.items()}
    found |= {f"{name}/32": f"{pod.ip}/32" for name, pod in spaces.pods().items()}
    found["far/32"] = f"{cluster.workers[:2][-1].address}/32"
    client = cluster.subnet.lab_address(0)
    blocks = {size: IPv4Network((int(client), size), strict=False) for size in (24, 25, 32)}
    found |= {f"client/{size}": str(network) for size, network in blocks.items()}
    others = (half for half in blocks[24].subnets() if half != blocks[25])
    return found | {"others/25": str(next(others))}


@pytest.fixture(scope="module")
def enforcer(kubectl: Kubectl, values: Mapping[str, str]) -> Enforcer:
    """Applies policies to the file's namespaces."""
    return Enforcer(kubectl, values)


@pytest.fixture(scope="module")
def pods_reach(spaces: Spaces) -> Iterator[Reach]:
    """Every pod to every pod, by TCP."""
    reach = Reach()
    for name, pod in spaces.pods().items():
        space = spaces.by_name[name.partition("/")[0]].name
        reach.source(name, spaces.place(name), {pod.ip})
        probe = Probe("tcp", pod.ip, LINE, timeout=TIMEOUTS.short)
        reach.targets[name] = Target(probe, pod.name, space)
        reach.own.add((name, name))
    yield reach
    reach.close()

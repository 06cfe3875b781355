"""What these tests stand on: a lab of their own, with two workers, beside whatever else is on the
machine. It is made once, by the tests that kill `up`, and used by those behind them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pluggy
import pytest

from gkelab import commands
from gkelab.faults.stage import Stage, staged
from gkelab.lab import Lab
from gkelab.steps.start_client import client_name
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support.bundles import collect_labs
from tests.support.invoke import invoke
from tests.support.own_lab import NAME, remove, two_workers
from tests.support.probes import ContainerPlace

HERE = Path(__file__).parent
# The small lab comes and goes first; then the lab with two workers is made, and kept for all that
# follows, what disturbs it least before what disturbs it most.
ORDER = (
    *("test_small", "test_failover", "test_resume", "test_components", "test_coredns"),
    *("test_interrupted", "test_leaks", "test_cloud", "test_router", "test_added"),
    *("test_drain", "test_node", "test_docker"),
)
HAD = pytest.StashKey[set[Path]]()  # the files whose first failure has its bundles


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests in their order; whatever else is collected keeps its place."""
    places = [place for place, item in enumerate(items) if item.path.parent == HERE]
    mine = sorted((items[place] for place in places), key=lambda i: ORDER.index(i.path.stem))
    for place, item in zip(places, mine, strict=True):
        items[place] = item


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """The labs of a failed test are collected before its fixtures take them down: `invoke test`
    could only do that when they are gone."""
    report = (yield).get_result()
    if report.failed:
        told = collect_labs(item.path, item.config.stash.setdefault(HAD, set()))
        report.sections += [("Labs", told)] if told else []


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> None:
    """The lab of a run of these tests that was killed is not in the way: its ranges are the small
    one's, and it may be in any state."""
    remove()


@pytest.fixture(scope="session")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The topology of these tests' own lab, which is gone at the end, however it came to be."""
    yield two_workers(tmp_path_factory.mktemp("topology"))
    remove()


# Fixtures of the same names as those of the lab under test: what is built on them (namespace)
# is built on this lab here. Each is named, as pytest keeps what it made for a session.


@pytest.fixture(scope="session")
def lab(topology: Path) -> Lab:
    """The lab with two workers, up."""
    invoke("up", f"--topology={topology}")
    return commands.open_lab(NAME)


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    """Its cluster."""
    return lab.plan.clusters[0]


@pytest.fixture(scope="session")
def kubectl(lab: Lab, cluster: Cluster) -> Kubectl:
    """kubectl for it."""
    return lab.kubectl(cluster.name)


@pytest.fixture(scope="session")
def client(lab: Lab) -> ContainerPlace:
    """Its client outside."""
    return ContainerPlace(lab.docker, client_name(lab))


@pytest.fixture(scope="module")
def stage(lab: Lab, cluster: Cluster) -> Iterator[Stage]:
    """Servers and clients, and ways between them, for faults to be tried on."""
    with staged(lab, cluster) as made:
        yield made

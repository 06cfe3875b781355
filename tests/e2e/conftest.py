"""What end-to-end tests stand on: the lab, a namespace of their own, places to probe from."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from html import escape, unescape
from pathlib import Path
from typing import NoReturn

import pluggy
import pytest
import testinfra
import yaml
from pytest_html import extras

from gkelab import commands
from gkelab.cloud.machines.wanted import container_name
from gkelab.diagnosis.scrub import scrub
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.results import REPORT
from gkelab.status import lab_status
from gkelab.steps.start_client import client_name
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.topology import Cluster, Node, Vm
from gkelab.wait import WaitError, until
from tests.support import failure
from tests.support.hubble import hubble_saw
from tests.support.kube import asking
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace
from tests.support.running import Running, run_of, running
from tests.support.say import more
from tests.support.spaces import Spaces
from tests.support.timeouts import TIMEOUTS


@pytest.fixture(scope="session", autouse=True)
def run(pytestconfig: pytest.Config) -> Iterator[Running]:
    """The run that this is; what tests make carries its id."""
    with run_of(pytestconfig.getoption("--run-id")) as now:
        yield now


@pytest.fixture(autouse=True)
def evidence(request: pytest.FixtureRequest, run: Running) -> None:
    """Only what this test records is kept for its failure."""
    run.captures.clear()
    failure.clear(REPORT, request.node.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """A failed test's report has what can be known of it before its namespace goes."""
    report = (yield).get_result()
    now = running()
    if now is None or not report.failed or call.when == "teardown":
        return
    failure.save_captures(REPORT, item.nodeid, now.captures)
    for namespace in _namespaces(getattr(item, "funcargs", {})):
        failure.save_namespace(REPORT, item.nodeid, namespace)
        told = more(partial(hubble_saw, namespace.kubectl, namespace.name))
        report.sections.append((f"Hubble on {namespace.name}", told.strip()))
    links = failure.saved(REPORT, item.nodeid)
    item.user_properties += links  # JUnit takes them with the teardown's report
    shown = [extras.url(path, name=path.rpartition("/")[2]) for _, path in links]
    report.extras = shown  # type: ignore[attr-defined]  # pytest-html's own attribute


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_html(data: list[str]) -> None:
    """What tests say is in the HTML report without secrets, as in JUnit's (gkelab/testing.py)."""
    data[:] = [escape(scrub(unescape(text))) for text in data]


def _namespaces(arguments: Mapping[str, object]) -> list[Namespace]:
    """Those that a test used, by whichever fixture."""
    found = [value for value in arguments.values() if isinstance(value, Namespace)]
    spaces = [value for value in arguments.values() if isinstance(value, Spaces)]
    return found + [namespace for each in spaces for namespace in each.by_name.values()]


def _end(why: str) -> NoReturn:
    """End the run. One of several workers cannot: that kills xdist, whose traceback hides why."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail(why, pytrace=False)
    pytest.exit(why, returncode=1)


def _problems(lab: Lab) -> list[str]:
    """What keeps the lab from being whole. Tests of other workers may be at work on it, and what
    they take away is repaired within seconds, so that one of several workers looks again."""
    seen: list[str] = []

    def look() -> bool:
        seen[:] = lab_status(lab).problems
        return not seen

    limit = TIMEOUTS.whole if "PYTEST_XDIST_WORKER" in os.environ else 0
    with suppress(WaitError):
        until(look, bool, what="the lab is whole", timeout=limit)
    return seen


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config, run: Running) -> Lab:
    """The lab under test. Ends the run with one sentence when it is not there, or not whole."""
    try:
        found = commands.open_lab(pytestconfig.getoption("--lab") or None)
    except LabError as error:
        _end(str(error))
    problems = _problems(found)
    if problems:
        _end(f"lab {found.name} is not whole: {'; '.join(problems)}")
    run.clusters += [found.kubectl(cluster.name) for cluster in found.plan.clusters]
    return found


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    """The lab's first cluster."""
    return lab.plan.clusters[0]


@pytest.fixture(scope="session")
def kubectl(lab: Lab, cluster: Cluster) -> Kubectl:
    """kubectl for the first cluster."""
    return asking(lab.kubectl(cluster.name))


@pytest.fixture(scope="session")
def client(lab: Lab) -> ContainerPlace:
    """The client on the internet: it reaches what is public, by way of the VPC router."""
    return ContainerPlace(lab.docker, client_name(lab))


@pytest.fixture(scope="session")
def outside(lab: Lab) -> str:
    """The client's address."""
    assert lab.plan.internet
    return str(lab.plan.internet.client)


@pytest.fixture(scope="session")
def vm(lab: Lab, cluster: Cluster) -> Vm:
    """A VM on the first cluster's subnet."""
    found = next((vm for vm in lab.plan.vms if vm.subnet == cluster.subnet), None)
    if found is None:
        pytest.skip("this topology has no VM on the cluster's subnet; this needs one")
    return found


@pytest.fixture(scope="session")
def machine(lab: Lab, vm: Vm) -> ContainerPlace:
    """That VM, as a place to probe from."""
    return ContainerPlace(lab.docker, container_name(lab.name, vm.name))


@pytest.fixture(scope="session")
def nodes(cluster: Cluster) -> dict[str, testinfra.host.Host]:
    """testinfra's hosts for the cluster's nodes, by node name."""
    return {node.name: testinfra.get_host(f"docker://{node.name}") for node in cluster.nodes}


@pytest.fixture(scope="session")
def two_workers(cluster: Cluster) -> tuple[Node, Node]:
    """Two workers in different zones, for what needs a far one."""
    first = cluster.workers[0]
    other = next((node for node in cluster.workers if node.zone != first.zone), None)
    if other is None:
        pytest.skip("this topology has workers in one zone; this needs two")
    return first, other


@pytest.fixture
def namespace(
    request: pytest.FixtureRequest, lab: Lab, cluster: Cluster, kubectl: Kubectl
) -> Iterator[Namespace]:
    """A namespace of the test's own, with the manifest beside the test file applied in it."""
    with _namespace(request, lab, cluster, kubectl) as made:
        yield made


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, lab: Lab, cluster: Cluster, kubectl: Kubectl
) -> Iterator[Namespace]:
    """As `namespace`, one for all tests of a file, whose pods cost more than the tests. Each
    test changes only objects that no other looks at, or changes them back."""
    with _namespace(request, lab, cluster, kubectl) as made:
        yield made


@pytest.fixture(scope="module")
def spaces(
    request: pytest.FixtureRequest, lab: Lab, cluster: Cluster, kubectl: Kubectl
) -> Iterator[Spaces]:
    """As `shared`, with a namespace for each that the manifest names."""
    objects = _manifest(request.path)
    names = [item["metadata"]["name"] for item in objects if item["kind"] == "Namespace"]
    prefix = _prefix(request.path)
    made = Spaces(
        {
            name: Namespace(f"{prefix}-{name}-{secrets.token_hex(3)}", kubectl, cluster, lab)
            for name in names
        }
    )
    try:
        made.create(objects)
        yield made
    finally:
        made.delete()


@contextmanager
def _namespace(
    request: pytest.FixtureRequest, lab: Lab, cluster: Cluster, kubectl: Kubectl
) -> Iterator[Namespace]:
    """Its name says which test it is; what an interrupted run left behind is not in the way."""
    made = Namespace(f"{_prefix(request.path)}-{secrets.token_hex(3)}", kubectl, cluster, lab)
    made.create({})
    objects = _manifest(request.path)
    try:
        if objects:
            _apply(made, objects, request.node.nodeid)
        yield made
    finally:
        made.delete()


def _apply(made: Namespace, objects: list[Object], test: str) -> None:
    try:
        made.apply(objects)
    except LabError:
        failure.save_namespace(REPORT, test, made)  # it is gone when the report is made
        raise


def _prefix(path: Path) -> str:
    return f"t-{path.stem.removeprefix('test_').replace('_', '-')[:40]}"


def _manifest(path: Path) -> list[Object]:
    """The objects of the manifest beside a test file; none where there is no manifest."""
    manifest = path.with_name(f"{path.stem.removeprefix('test_')}.yaml")
    if not manifest.exists():
        return []
    return [item for item in yaml.load_all(manifest.read_text(), yaml.CSafeLoader) if item]

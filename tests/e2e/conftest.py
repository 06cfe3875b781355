"""What end-to-end tests stand on: the lab, a namespace of their own, places to probe from."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import testinfra
import yaml

from gkelab import commands
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.status import lab_status
from gkelab.tools.kubectl import Kubectl, Object
from gkelab.topology import Cluster, Node
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace
from tests.support.spaces import Spaces


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """The lab under test. Ends the run with one sentence when it is not there, or not whole."""
    try:
        found = commands.open_lab(pytestconfig.getoption("--lab") or None)
    except LabError as error:
        pytest.exit(str(error), returncode=1)
    problems = lab_status(found).problems
    if problems:
        pytest.exit(f"lab {found.name} is not whole: {'; '.join(problems)}", returncode=1)
    return found


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    """The lab's first cluster."""
    return lab.plan.clusters[0]


@pytest.fixture(scope="session")
def kubectl(lab: Lab, cluster: Cluster) -> Kubectl:
    """kubectl for the first cluster."""
    return lab.kubectl(cluster.name)


@pytest.fixture(scope="session")
def client(lab: Lab, cluster: Cluster) -> ContainerPlace:
    """The client outside the cluster."""
    return ContainerPlace(lab.docker, f"{lab.name}-client-{cluster.subnet.name}")


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
    with _namespace(request.path, lab, cluster, kubectl) as made:
        yield made


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest, lab: Lab, cluster: Cluster, kubectl: Kubectl
) -> Iterator[Namespace]:
    """As `namespace`, one for all tests of a file, whose pods cost more than the tests. The file
    is an xdist group of its own, and each test changes only objects that no other looks at, or
    changes them back."""
    with _namespace(request.path, lab, cluster, kubectl) as made:
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
def _namespace(path: Path, lab: Lab, cluster: Cluster, kubectl: Kubectl) -> Iterator[Namespace]:
    """Its name says which test it is; what an interrupted run left behind is not in the way."""
    made = Namespace(f"{_prefix(path)}-{secrets.token_hex(3)}", kubectl, cluster, lab)
    made.create({})
    objects = _manifest(path)
    try:
        if objects:
            made.apply(objects)
        yield made
    finally:
        made.delete()


def _prefix(path: Path) -> str:
    return f"t-{path.stem.removeprefix('test_').replace('_', '-')[:40]}"


def _manifest(path: Path) -> list[Object]:
    """The objects of the manifest beside a test file; none where there is no manifest."""
    manifest = path.with_name(f"{path.stem.removeprefix('test_')}.yaml")
    if not manifest.exists():
        return []
    return [item for item in yaml.load_all(manifest.read_text(), yaml.CSafeLoader) if item]

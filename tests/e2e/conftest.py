"""What end-to-end tests stand on: the lab, a namespace of their own, places to probe from."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import testinfra
import yaml

from gkelab import commands
from gkelab.errors import LabError
from gkelab.lab import Lab
from gkelab.status import lab_status
from gkelab.tools.kubectl import Kubectl
from gkelab.topology import Cluster
from tests.support.namespace import Namespace
from tests.support.probes import ContainerPlace


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


@pytest.fixture
def namespace(
    request: pytest.FixtureRequest, lab: Lab, cluster: Cluster, kubectl: Kubectl
) -> Iterator[Namespace]:
    """A namespace of the test's own, with the manifest beside the test file applied in it.

    Its name says which test it is; what an interrupted run left behind is not in the way.
    """
    stem = Path(str(request.path)).stem.removeprefix("test_").replace("_", "-")
    name = f"t-{stem[:40]}-{secrets.token_hex(3)}"
    made = Namespace(name, kubectl, cluster, lab)
    manifest = Path(str(request.path)).with_name(f"{Path(str(request.path)).stem[5:]}.yaml")
    made.create({})
    objects = []
    if manifest.exists():
        objects = [item for item in yaml.safe_load_all(manifest.read_text()) if item]
    try:
        if objects:
            made.apply(objects)
        yield made
    finally:
        made.delete()

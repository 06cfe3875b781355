"""A lab's life, on the small topology, beside whatever else is on the machine.

The tests are one story, in order: up, up again, stop, start, another checkout, killed, down.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gkelab import commands
from gkelab.find import find_labs
from gkelab.host.prepare import docker_answers
from gkelab.lab import Lab
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.shell import run
from gkelab.status import lab_status
from gkelab.supply.pins import ROOT
from gkelab.tools.docker import LABEL, Docker
from gkelab.tools.iproute import PROTOCOL
from gkelab.wait import until
from tests.support.invoke import invoke
from tests.support.outcomes import Outcome
from tests.support.probes import ContainerPlace, http
from tests.support.say import expect

pytestmark = pytest.mark.xdist_group("small")

FOREIGN = "somebody-elses"


@pytest.fixture(scope="module")
def foreign() -> Iterator[dict[str, str]]:
    """A container and a network that are not the lab's, and their ids."""
    assert docker_answers(run), "docker does not answer; `invoke up` starts it"
    image = Docker(run).containers({LABEL: None})[0].image
    network = run(["docker", "network", "create", "--subnet=172.31.240.0/28", FOREIGN]).stdout
    argv = ["docker", "run", "--detach", f"--name={FOREIGN}", f"--network={FOREIGN}"]
    container = run([*argv, "--entrypoint=sleep", image, "infinity"]).stdout
    try:
        yield {"container": container.strip(), "network": network.strip()}
    finally:
        run(["docker", "rm", "--force", FOREIGN])
        run(["docker", "network", "rm", FOREIGN])


@pytest.fixture(scope="module")
def small(foreign: dict[str, str]) -> Iterator[Lab]:
    """The small lab, beside a foreign container and network; gone when the story ends."""
    invoke("up", "--topology=small")
    yield commands.open_lab("small")
    if any(lab.name == "small" for lab in find_labs(Docker(run))):
        invoke("down", "--lab=small")


def ids(lab: Lab) -> dict[str, str]:
    """The lab's containers' ids by name."""
    return {c.name: c.id for c in lab.docker.containers({LABEL: lab.name})}


def versions(lab: Lab) -> dict[str, str]:
    """The generation of every workload, which changes when its specification does."""
    kubectl = lab.kubectl(lab.plan.clusters[0].name)
    return {
        f"{item['kind']}/{item['metadata']['namespace']}/{item['metadata']['name']}": str(
            item["metadata"]["generation"]
        )
        for item in kubectl.list("deployments,daemonsets")
    }


def answers(lab: Lab) -> None:
    """The sample workload answers the client outside, and sees its address."""
    cluster = lab.plan.clusters[0]
    service = lab.kubectl(cluster.name).get("service", "whoami-external", "sample")
    assert service is not None
    address = service["status"]["loadBalancer"]["ingress"][0]["ip"]
    client = ContainerPlace(lab.docker, f"{lab.name}-client-{cluster.subnet.name}")
    answer = until(
        lambda: http(client, f"http://{address}/"),
        lambda answer: answer.outcome is Outcome.OK,
        what=f"whoami answers at {address}",
        timeout=60,
    )
    expect(answer, saw=str(cluster.subnet.lab_address(0)))


def test_up(small: Lab) -> None:
    """It is whole, and traffic goes through it."""
    assert not lab_status(small).problems
    answers(small)


def test_a_second_up_changes_nothing(small: Lab) -> None:
    """The same containers, and no workload touched."""
    before = ids(small), versions(small)
    invoke("up", "--topology=small")
    assert (ids(small), versions(small)) == before


def test_two_at_once(small: Lab) -> None:
    """The second command is refused, and told who is at it."""
    with hold(default_paths().state, "invoke something-else"):
        refused = invoke("up", "--topology=small", check=False)
    assert refused.code == 1
    assert f"`invoke something-else` (process {os.getpid()}" in refused.stderr


def test_stop_and_start(small: Lab) -> None:
    """The same containers and addresses after a stop and a start; `status` says it is stopped."""
    before = ids(small)
    invoke("stop", "--lab=small")
    assert {c.state for c in small.docker.containers({LABEL: "small"})} == {"exited"}
    stopped = invoke("status", "--lab=small", "--json", check=False)
    assert stopped.code == 1
    assert "node small-control-plane is exited" in json.loads(stopped.stdout)["problems"]
    invoke("start", "--lab=small")
    assert ids(small) == before
    nodes = {n["metadata"]["name"]: n for n in small.kubectl("small").list("nodes")}
    for node in small.plan.nodes:
        found = {a["type"]: a["address"] for a in nodes[node.name]["status"]["addresses"]}
        assert found["InternalIP"] == str(node.address)
    answers(small)


def test_another_checkout_adopts_it(small: Lab, tmp_path: Path) -> None:
    """With no state of its own, a checkout finds the lab by docker's labels and uses it."""
    state = str(tmp_path / "state")
    said = invoke("status", "--lab=small", "--json", GKELAB_STATE=state)
    assert json.loads(said.stdout)["problems"] == []
    invoke("up", "--topology=small", GKELAB_STATE=state)
    assert (tmp_path / "state" / "small" / "kubeconfig").exists()


def test_a_vanished_worker_is_named(small: Lab) -> None:
    """`up` says which node is gone, and does not touch the rest."""
    worker = small.plan.clusters[0].workers[0].name
    small.docker.remove_containers([worker])
    before = ids(small)
    refused = invoke("up", "--topology=small", check=False)
    assert refused.code == 1
    assert f"has lost its node {worker}" in refused.stderr
    assert ids(small) == before


def test_down_leaves_everything_else(small: Lab, foreign: dict[str, str]) -> None:
    """The lab's containers, networks and routes go; the foreign ones stay as they are."""
    others = {c.id for c in Docker(run).containers({}) if c.labels.get(LABEL) != "small"}
    invoke("down", "--lab=small")
    docker = Docker(run)
    assert {c.id for c in docker.containers({})} == others
    assert foreign["container"] in others
    assert foreign["network"] in {network.id for network in docker.networks()}
    assert not docker.networks({LABEL: "small"})
    left = {route.destination for route in small.ip.routes() if route.protocol == PROTOCOL}
    assert small.plan.clusters[0].pod_range not in left
    assert not small.folder.exists()
    refused = invoke("down", "--lab=small", check=False)
    assert refused.code == 1
    assert "There is no lab small" in refused.stderr


def test_a_killed_up_is_resumed(foreign: dict[str, str]) -> None:
    """Killed while kind makes the cluster, with no chance to clean up; the next `up` goes on."""
    argv = [sys.executable, "-m", "invoke", "up", "--topology=small"]
    started = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL)
    docker = Docker(run)
    until(
        lambda: docker.container("small-worker"),
        lambda node: node is not None,
        what="kind makes the small cluster's nodes",
        timeout=120,
        interval=0.2,
    )
    started.send_signal(signal.SIGKILL)
    started.wait()
    try:
        invoke("up", "--topology=small")
        answers(commands.open_lab("small"))
    finally:
        invoke("down", "--lab=small")

"""docker itself restarted, gracefully: the lab comes back with an `up`.

That stops every container of the machine, so it is done only where none runs but this lab's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gkelab.host.facts import read_facts
from gkelab.host.prepare import start_docker, stop_docker
from gkelab.lab import Lab
from gkelab.lock import hold
from gkelab.paths import default_paths
from gkelab.shell import run
from gkelab.status import lab_status
from gkelab.tools.docker import LABEL
from tests.support.invoke import invoke
from tests.support.own_lab import answers, ids


@pytest.fixture
def alone(lab: Lab) -> None:
    """Skips where the restart would be somebody else's loss."""
    if not read_facts().root:
        pytest.skip("only root restarts docker")
    others = [
        container.name
        for container in lab.docker.containers({})
        if container.state == "running" and container.labels.get(LABEL) != lab.name
    ]
    if others:
        pytest.skip(f"a restart of docker would stop {', '.join(others)} too: stop them first")


def restart_docker() -> None:
    """Stop docker and start it, as this host does it."""
    facts = read_facts()
    if facts.systemd:
        run(["systemctl", "restart", "docker"])
        return
    stop_docker(run)
    start_docker(facts, run)


@pytest.mark.usefixtures("alone")
def test_the_lab_outlives_docker(lab: Lab, topology: Path) -> None:
    """The same containers after docker's restart and an `up`, whole and with traffic."""
    before = ids(lab)
    with hold(default_paths().state, "the test that restarts docker"):
        restart_docker()
    invoke("up", f"--topology={topology}")
    assert ids(lab) == before
    assert {c.state for c in lab.docker.containers({LABEL: lab.name})} == {"running"}
    assert not lab_status(lab).problems
    answers(lab)
    invoke("up", f"--topology={topology}")
    assert ids(lab) == before

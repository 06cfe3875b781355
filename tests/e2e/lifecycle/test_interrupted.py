"""A test run that is killed, with no chance to clean up: what it leaves breaks nothing of the lab,
and is gone before the next one begins."""

from __future__ import annotations

import secrets
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from gkelab.cloud.place import recorded
from gkelab.cloud.rest import RestCloud
from gkelab.ipam import HEALTH_CHECK_RANGES
from gkelab.lab import Lab
from gkelab.leftovers import RUN, told
from gkelab.status import lab_status
from gkelab.supply.pins import ROOT
from gkelab.testing import clean
from gkelab.tools.kubectl import Kubectl
from gkelab.tools.marked import MARK
from gkelab.topology import Cluster
from gkelab.wait import until
from tests.support.ingress import NAMESPACE
from tests.support.parse.iproute import Route, addresses, links, routes
from tests.support.probes import ContainerPlace

TEST = "tests/e2e/interrupted.py"
MIDST = 180.0  # seconds until the test that is killed has made what it makes


def routes_of(place: ContainerPlace) -> list[Route]:
    """A container's routes."""
    return routes(place.exec(["ip", "-json", "-4", "route", "show"]).stdout)


def left(
    lab: Lab, cluster: Cluster, kubectl: Kubectl, client: ContainerPlace, run: str
) -> dict[str, bool]:
    """Whether that is there which a run made or changed, by what it is."""
    place = recorded(lab.cloud_file)
    rules = RestCloud(place.endpoint, place.project).list_of("firewalls", "global")
    node = ContainerPlace(lab.docker, cluster.workers[0].name)
    free = cluster.pod_range[-2]
    interfaces = addresses(client.exec(["ip", "-json", "-4", "address", "show"]).stdout)
    has = {one.ip for interface in interfaces for one in interface.addresses}
    names = {link.name for link in links(client.exec(["ip", "-json", "link", "show"]).stdout)}
    of_run = f"{RUN}={run}"
    return {
        "a namespace": bool(kubectl.list("namespaces", selector=of_run)),
        "a Secret in another": bool(kubectl.list("secrets", NAMESPACE, of_run)),
        "a firewall rule": any(rule.get("description") == told(run) for rule in rules),
        "a route on a node": any(route.protocol == MARK for route in routes_of(node)),
        "an address of the client": free in has,
        "a link of the client": "t-link" in names,
        "a route of the client away": HEALTH_CHECK_RANGES[-1]
        not in {route.destination for route in routes_of(client)},
    }


def ended(process: subprocess.Popen[bytes], output: Path) -> str:
    """Why the test can no longer be killed in its midst; "" while it runs."""
    return "" if process.poll() is None else f"pytest has ended: {output.read_text()}"


def test_what_a_killed_run_leaves_is_gone_when_the_next_begins(
    *,
    lab: Lab,
    cluster: Cluster,
    kubectl: Kubectl,
    client: ContainerPlace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The lab is called whole with it, and without; what goes is named once."""
    run, output = secrets.token_hex(4), tmp_path / "output"
    there = partial(left, lab, cluster, kubectl, client, run)
    argv = [sys.executable, "-m", "pytest", TEST, f"--lab={lab.name}", f"--run-id={run}"]
    with output.open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until(
            there,
            lambda seen: all(seen.values()),
            what="the test is in its midst",
            timeout=MIDST,
            failed=lambda _: ended(process, output),
        )
    finally:
        process.kill()
        process.wait()
    seen = there()
    assert all(seen.values()), seen
    assert not lab_status(lab).problems
    clean(lab)
    said = capsys.readouterr().err
    assert said.startswith("gkelab: removed what an interrupted test run left: t-interrupted-")
    seen = there()
    assert not any(seen.values()), seen
    assert not lab_status(lab).problems
    clean(lab)
    assert capsys.readouterr().err == ""

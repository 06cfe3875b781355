"""A lab's life, on the small topology, beside whatever else is on the machine.

The tests are one story, in order: up, up again, a subnet beside it, stop, start, another checkout,
killed, down.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from gkelab import commands
from gkelab.containers import told
from gkelab.find import find_labs
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
from tests.support.own_lab import answers, changed, ids, settled, snapshot
from tests.support.timeouts import TIMEOUTS
from tests.support.vpc.made import VM, Made, google_of, router_of

FOREIGN = "somebody-elses"
NAME, LATER = "t-later", IPv4Network("10.64.9.0/24")
SHOWN = ["ip", "-4", "route", "show"]
LINKS = ["ip", "-json", "link", "show"]


@pytest.fixture(scope="module")
def small() -> Iterator[Lab]:
    """The small lab, gone when the story ends."""
    invoke("up", "--topology=small")
    yield commands.open_lab("small")
    if any(lab.name == "small" for lab in find_labs(Docker(run))):
        invoke("down", "--lab=small")


def made_of(small: Lab) -> Made:
    """What makes things in its cloud; they go with the lab."""
    return Made(small, google_of(small), router_of(small), NAME)


@pytest.fixture(scope="module")
def later(small: Lab) -> VM:
    """A VM in a subnet that was made after `up`."""
    made = made_of(small)
    subnet = made.subnet("subnet", LATER)
    return made.vm("vm", subnet=subnet["name"])


@pytest.fixture(scope="module")
def foreign(small: Lab) -> Iterator[dict[str, str]]:
    """A container and a network that are not the lab's, and their ids."""
    image = small.supplier.reference("workload")
    network = run(["docker", "network", "create", "--subnet=172.31.240.0/28", FOREIGN]).stdout
    argv = ["docker", "run", "--detach", f"--name={FOREIGN}", f"--network={FOREIGN}"]
    container = run([*argv, "--entrypoint=sleep", image, "infinity"]).stdout
    try:
        yield {"container": container.strip(), "network": network.strip()}
    finally:
        run(["docker", "rm", "--force", FOREIGN])
        run(["docker", "network", "rm", FOREIGN])


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's own kubeconfig, with a context of somebody else's cluster in it."""
    names = {"clusters": "cluster", "contexts": "context", "users": "user"}
    theirs = {part: [{"name": FOREIGN, name: {}}] for part, name in names.items()}
    config = {"apiVersion": "v1", "kind": "Config", "current-context": FOREIGN, **theirs}
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def contexts(kubeconfig: Path) -> list[str]:
    """The contexts that a kubeconfig has."""
    return [item["name"] for item in yaml.safe_load(kubeconfig.read_text())["contexts"]]


def volumes() -> set[str]:
    """docker's volumes."""
    return set(run(["docker", "volume", "ls", "--quiet"]).stdout.split())


def own_volumes(lab: Lab) -> set[str]:
    """Those of them that the lab's containers have mounted."""
    sources = [
        source for c in lab.docker.containers({LABEL: lab.name}) for source in c.mounts.values()
    ]
    return {name for name in volumes() if any(f"/volumes/{name}/" in each for each in sources)}


def test_up(small: Lab) -> None:
    """It is whole, and traffic goes through it."""
    assert not lab_status(small).problems
    answers(small)


def test_a_second_up_changes_nothing(small: Lab) -> None:
    """Containers, networks, pods and everything applied are what they were."""
    before = settled(small)
    invoke("up", "--topology=small")
    assert changed(before, snapshot(small)) == []


def test_its_contexts_join_a_kubeconfig(small: Lab, kubeconfig: Path) -> None:
    """Beside those that are there, and only when a person asks for it."""
    invoke("up", "--topology=small", "--merge-kubeconfig", KUBECONFIG=str(kubeconfig))
    assert contexts(kubeconfig) == [FOREIGN, "kind-small"]


def test_two_at_once(small: Lab) -> None:
    """The second command is refused, and told who is at it."""
    with hold(default_paths().state, "invoke something-else"):
        refused = invoke("up", "--topology=small", check=False)
    assert refused.code == 1
    assert f"`invoke something-else` (process {os.getpid()}" in refused.stderr


def test_a_subnet_made_later_is_left_by_up(small: Lab, later: VM) -> None:
    """The docker network, the router on it and the VM there are none of a second `up`'s
    business."""
    before = settled(small)
    invoke("up", "--topology=small")
    assert changed(before, snapshot(small)) == []
    assert IPv4Address(later.address) in LATER


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


def test_after_a_start_the_later_subnet_is_real_again(small: Lab, later: VM) -> None:
    """With its VM, the router's address in it, and what nodes know of it."""
    made_of(small).until_serving(later)
    router = router_of(small)
    until(
        router.status,
        lambda status: bool(status.interfaces.get(f"{NAME}-subnet")),
        what=f"{router.name} has its address in {LATER}",
        timeout=TIMEOUTS.datapath,
        interval=0.3,
        tolerant=True,
    )
    for node in small.plan.nodes:
        until(
            lambda name=node.name: small.docker.exec(name, SHOWN).stdout,  # type: ignore[misc]
            lambda said: str(LATER) in said,
            what=f"{node.name} knows {LATER}",
            timeout=TIMEOUTS.datapath,
            interval=0.3,
        )


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


def has_wires() -> bool:
    """Whether the host's nftables have the lab's table, as far as it has a program that tells."""
    found = run(["nft", "list", "tables", "netdev"], check=False) if shutil.which("nft") else None
    return found is not None and "gkelab-small" in found.stdout


def test_down_leaves_everything_else(small: Lab, foreign: dict[str, str], kubeconfig: Path) -> None:
    """The lab's containers, networks, volumes, routes, contexts and files go; the foreign ones
    stay as they are."""
    docker = Docker(run)
    others = {c.id for c in docker.containers({}) if c.labels.get(LABEL) != "small"}
    bridges = {network.bridge for network in docker.networks({LABEL: "small"})}
    mounted = own_volumes(small)
    assert mounted, "the nodes have volumes of their own"
    wired = bool(told(small, "machines")["wired"]) and shutil.which("nft") is not None
    assert has_wires() is wired
    invoke("down", "--lab=small", KUBECONFIG=str(kubeconfig))
    assert not has_wires()
    assert {c.id for c in docker.containers({})} == others
    assert foreign["container"] in others
    assert foreign["network"] in {network.id for network in docker.networks()}
    assert not docker.networks({LABEL: "small"})
    left = {route.destination for route in small.ip.routes() if route.protocol == PROTOCOL}
    assert small.plan.clusters[0].pod_range not in left
    assert LATER not in left
    assert not small.folder.exists()
    assert not volumes() & mounted
    assert not bridges & {link["ifname"] for link in json.loads(run(LINKS).stdout)}
    assert contexts(kubeconfig) == [FOREIGN]
    refused = invoke("down", "--lab=small", check=False)
    assert refused.code == 1
    assert "There is no lab small" in refused.stderr


@pytest.fixture
def gone_again() -> Iterator[None]:
    """The lab is gone afterwards, whatever there was of it."""
    yield
    if any(lab.name == "small" for lab in find_labs(Docker(run))):
        invoke("down", "--lab=small")


@pytest.mark.usefixtures("gone_again")
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
    invoke("up", "--topology=small")
    answers(commands.open_lab("small"))

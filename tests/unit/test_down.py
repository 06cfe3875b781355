"""Down, stop: by the lab's label alone, the networks last, and nobody else's things in any
command line."""

from __future__ import annotations

import errno
import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from gkelab.down import down, stop
from gkelab.find import Found
from gkelab.paths import Paths
from gkelab.shell import CommandError
from tests.support.recorder import Recorder
from tests.unit import tools
from tests.unit.steps import plan_of
from tests.unit.tools import (
    FOREIGN_CONTAINER,
    FOREIGN_ID,
    FOREIGN_NETWORK,
    FOREIGN_NETWORK_ID,
    Raw,
    labelled,
    lists_containers,
    lists_networks,
    own_networks,
    recorded,
)

SHOW = ["ip", "-json", "-4", "route", "show"]
OWN = {"gkelab.lab": "vpc-native"}
LAB = "gkelab.lab=vpc-native"
MACHINES = {**OWN, "gkelab.role": "machines"}
# What lists them: the labels' filters.
FIRST = [LAB, "gkelab.role=machines"]
# The rule and the chain of the lab's in the host's table.
RULES = ["iptables", "-t", "raw"]
NFT = ["nft", "-f", "-"]
CHAIN = "gkelab-vpc-native"
JUMP = ["-m", "comment", "--comment", "gkelab.vpc-native", "-j", CHAIN]
REMOVE_RULES = [[*RULES, "-D", "PREROUTING", *JUMP], [*RULES, "-F", CHAIN], [*RULES, "-X", CHAIN]]
IMAGES = ("gkelab/cloud:1", "gkelab/router:1", "gkelab/workload:1")
HAS_IMAGES = [["docker", "image", "inspect", image] for image in IMAGES]
REMOVE_IMAGES = [["docker", "image", "rm", image] for image in IMAGES]
VOLUMES = ["docker", "volume", "ls", "--quiet", "--filter", "label=gkelab.lab=vpc-native"]
VOLUME = "gkelab.vpc-native.cloud"
REMOVE_VOLUME = ["docker", "volume", "rm", VOLUME]
FOREIGN_ROUTE = {"dst": "10.0.0.0/20", "dev": "tun0", "protocol": "static", "flags": []}
# All that is on the machine: docker's filters choose from it, as docker does.
CONTAINERS = [*recorded("containers"), FOREIGN_CONTAINER]
NETWORKS = [*recorded("networks"), FOREIGN_NETWORK]
FILLING: Raw = FOREIGN_CONTAINER | {
    "Id": "d0" * 32,
    "Name": "/a-killed-fill",
    "Config": {"Image": "kindest/node:v1.36.4", "Labels": {"gkelab.fills": "worker"}},
}


@pytest.fixture
def run() -> Recorder:
    return Recorder()


@pytest.fixture
def found() -> Found:
    return Found("vpc-native", plan_of(), "built")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "cache", tmp_path / "state")
    for folder in (paths.lab("vpc-native"), paths.lab("other"), paths.cache):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    return paths


def removal(ids: list[str]) -> list[str]:
    return ["docker", "rm", "--force", "--volumes", *ids]


def ids(raws: list[Raw]) -> list[str]:
    return [raw["Id"] for raw in sorted(raws, key=lambda raw: str(raw["Name"]))]


def route_deletions(destinations: set[str]) -> list[list[str]]:
    """The commands that remove the lab's recorded routes to these destinations."""
    argvs = []
    for route in recorded("routes"):
        if route.get("protocol") == "71" and route["dst"] in destinations:
            kind = [route["type"]] if "type" in route else []
            device = ["dev", route["dev"]] if "dev" in route else []
            words = [*kind, route["dst"], *device, "proto", "71"]
            argvs.append(["ip", "route", "delete", *words])
    return argvs


ALL_ROUTES = {route["dst"] for route in recorded("routes")}


def a_machine(
    run: Recorder, containers: list[Raw] = CONTAINERS, networks: list[Raw] = NETWORKS
) -> list[list[str]]:
    """Expect what `down` asks and does on a machine with these; returns what it removes."""
    first, nets = labelled(containers, MACHINES), labelled(networks, OWN)
    own = [raw for raw in labelled(containers, OWN) if raw not in first]
    lists_containers(run, FIRST, first)
    lists_containers(run, [LAB], own)
    run.handle(VOLUMES, f"{VOLUME}\n" if own else "")
    filling = [raw for raw in containers if "gkelab.fills" in raw["Config"]["Labels"]]
    lists_containers(run, ["gkelab.fills"], filling)
    run.handle(SHOW, json.dumps([*recorded("routes"), FOREIGN_ROUTE]))
    run.handle([*RULES, "-S"], f"-N {CHAIN}\n-A PREROUTING {' '.join(JUMP)}\n")
    for argv in HAS_IMAGES:
        run.handle(argv)
    lists_networks(run, [LAB], nets)
    running = [raw for raw in first if raw["State"]["Status"] == "running"]
    removes = [["docker", "stop", "--time", "5", *ids(running)]] if running else []
    removes += [removal(ids(first))] if first else []
    removes += [removal(ids(own)), REMOVE_VOLUME] if own else []
    removes += [removal(ids(filling))] if filling else []
    removes += route_deletions(ALL_ROUTES)
    removes += [*REMOVE_RULES, NFT]
    removes += REMOVE_IMAGES if own else []
    # In docker's order.
    removes += [["docker", "network", "rm", *(raw["Id"] for raw in nets)]] if nets else []
    for argv in removes:
        run.handle(argv)
    return removes


def removing(run: Recorder) -> list[list[str]]:
    asking = (["docker", "ps"], ["docker", "container"], ["docker", "network", "ls"])
    more = (
        ["docker", "network", "inspect"],
        ["docker", "image", "inspect"],
        SHOW,
        VOLUMES,
        [*RULES, "-S"],
    )
    return [a for a in run.argvs if not any(a[: len(w)] == w for w in (*asking, *more))]


def test_all_that_is_the_labs_goes_and_its_networks_last(
    run: Recorder, found: Found, paths: Paths
) -> None:
    removes = a_machine(run)
    said: list[str] = []
    down(found, paths, run, said.append, merged=None)
    assert removing(run) == removes
    assert run.argvs[-1][:3] == ["docker", "network", "rm"]
    assert [len(argv) - len(removal([])) for argv in removes[1:3]] == [1, 8]
    assert said == [
        "removed 9 containers and 1 volumes",
        "removed 3 networks and the host's routes to the lab",
    ]


def test_what_would_start_vms_again_goes_first(run: Recorder, found: Found, paths: Paths) -> None:
    """And whatever it had in the making is found afterwards."""
    removes = a_machine(run)
    down(found, paths, run, lambda _: None, merged=None)
    (machines,) = labelled(CONTAINERS, MACHINES)
    assert removes[0] == ["docker", "stop", "--time", "5", machines["Id"]]
    assert removes[1] == removal([machines["Id"]])
    listing = ["docker", "ps", "--all", "--no-trunc", "--quiet", "--filter", f"label={LAB}"]
    assert run.argvs.index(listing) > run.argvs.index(removes[1])


def test_nobody_elses_container_network_or_route_is_in_any_command(
    run: Recorder, found: Found, paths: Paths
) -> None:
    a_machine(run)
    down(found, paths, run, lambda _: None, merged=None)
    words = {word for argv in run.argvs for word in argv}
    foreign = {FOREIGN_ID, FOREIGN_NETWORK_ID, "vpc-native-web-1", "vpc-native_default"}
    assert not words & (foreign | {"nginx:1.29", "tun0"})
    # The check can fail: the lab's own are in them.
    assert recorded("containers")[0]["Id"] in words
    assert own_networks()[0]["Id"] in words


def test_every_removal_is_by_an_id_that_the_labels_gave(
    run: Recorder, found: Found, paths: Paths
) -> None:
    a_machine(run)
    down(found, paths, run, lambda _: None, merged=None)
    own = set(ids(labelled(CONTAINERS, OWN))) | set(ids(labelled(NETWORKS, OWN)))
    for argv in removing(run):
        if argv[:2] == ["docker", "rm"]:
            assert set(argv[4:]) <= own
        if argv[:3] == ["docker", "network", "rm"]:
            assert set(argv[3:]) <= own


def test_the_cache_and_other_labs_state_stay(run: Recorder, found: Found, paths: Paths) -> None:
    a_machine(run)
    down(found, paths, run, lambda _: None, merged=None)
    assert not paths.lab("vpc-native").exists()
    assert (paths.lab("other") / "file").exists()
    assert (paths.cache / "file").exists()


def test_containers_of_a_killed_up_go_too(run: Recorder, found: Found, paths: Paths) -> None:
    removes = a_machine(run, [*CONTAINERS, FILLING])
    down(found, paths, run, lambda _: None, merged=None)
    assert removal([FILLING["Id"]]) in removing(run)
    assert removing(run) == removes


def test_after_an_interruption_the_rest_goes(run: Recorder, found: Found, paths: Paths) -> None:
    removes = a_machine(run, [FOREIGN_CONTAINER])
    down(found, paths, run, lambda _: None, merged=None)
    assert removing(run) == removes
    assert removes[-1] == ["docker", "network", "rm", *(raw["Id"] for raw in own_networks())]


def test_another_checkouts_lab_has_no_state_here(
    run: Recorder, found: Found, tmp_path: Path
) -> None:
    removes = a_machine(run)
    down(found, Paths(tmp_path / "c", tmp_path / "s"), run, lambda _: None, merged=None)
    assert removing(run) == removes


def test_what_cannot_be_removed_keeps_the_networks_by_which_the_lab_is_found(
    run: Recorder, found: Found, paths: Paths
) -> None:
    lists_containers(run, FIRST, [])
    lists_containers(run, [LAB], labelled(CONTAINERS, OWN))
    run.handle(removal(ids(labelled(CONTAINERS, OWN))), code=1, stderr="device is busy")
    with pytest.raises(CommandError, match="device is busy"):
        down(found, paths, run, lambda _: None, merged=None)
    assert run.times("docker", "network") == 0
    assert paths.lab("vpc-native").exists()


def test_an_image_that_docker_has_not_is_not_removed(
    run: Recorder, found: Found, paths: Paths
) -> None:
    lists_containers(run, FIRST, [])
    lists_containers(run, [LAB], labelled(CONTAINERS, OWN))
    run.handle(removal(ids(labelled(CONTAINERS, OWN))))
    run.handle(VOLUMES, "")
    lists_containers(run, ["gkelab.fills"], [])
    run.handle(SHOW, "[]")
    run.handle([*RULES, "-S"], "-P PREROUTING ACCEPT\n")
    run.handle(NFT, fails="was not found")  # which is no reason to stop
    for argv in HAS_IMAGES:
        run.handle(argv, code=1)
    lists_networks(run, [LAB], [])
    down(found, paths, run, lambda _: None, merged=None)
    assert removing(run) == [removal(ids(labelled(CONTAINERS, OWN))), NFT]


def test_beside_another_lab_its_routes_and_images_stay(
    run: Recorder, found: Found, paths: Paths
) -> None:
    """Google's health-check ranges are those of every lab."""
    a_machine(run)
    other = Found("other", plan_of(), "built")
    down(found, paths, run, lambda _: None, merged=None, others=[other])
    assert run.times("docker", "image", "rm") == 0
    held = {str(network) for network in other.plan.made_up_ranges()}
    kept = route_deletions(held)
    assert kept
    assert not [argv for argv in run.argvs if argv in kept]
    assert route_deletions({"203.0.113.0/28"})[0] in run.argvs


def test_what_was_held_of_later_subnets_goes(run: Recorder, found: Found, paths: Paths) -> None:
    a_machine(run)
    later = {"dst": "10.9.0.0/24", "type": "unreachable", "protocol": "71"}
    run._answers.pop(tuple(SHOW))
    run.handle(SHOW, json.dumps([*recorded("routes"), later]))
    argv = ["ip", "route", "delete", "unreachable", "10.9.0.0/24", "proto", "71"]
    run.handle(argv)
    down(found, paths, run, lambda _: None, merged=None)
    assert argv in run.argvs


def test_the_persons_kubeconfig_loses_the_labs_entries(
    run: Recorder, found: Found, paths: Paths, tmp_path: Path
) -> None:
    a_machine(run)
    own = tmp_path / "config"
    own.write_text("contexts: [{name: kind-vpc-native}, {name: prod}]\n")
    down(found, paths, run, lambda _: None, merged=own)
    assert "kind-vpc-native" not in own.read_text()
    assert "prod" in own.read_text()


@pytest.mark.parametrize("text", ["contexts: {", "contexts: [prod]"])
def test_a_kubeconfig_that_is_broken_is_left_and_the_lab_goes(
    run: Recorder, found: Found, paths: Paths, tmp_path: Path, text: str
) -> None:
    removes = a_machine(run)
    own = tmp_path / "config"
    own.write_text(text)
    said: list[str] = []
    down(found, paths, run, said.append, merged=own)
    assert removing(run) == removes
    assert own.read_text() == text
    assert said[1].startswith(f"left {own} as it is: The kubeconfig {own} cannot be read: ")


def test_so_is_one_that_cannot_be_written(
    run: Recorder, found: Found, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removes = a_machine(run)
    own = tmp_path / "config"
    own.write_text("contexts: [{name: kind-vpc-native}]\n")

    def forbidden(path: Path, text: str) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(own))

    monkeypatch.setattr(Path, "write_text", forbidden)
    said: list[str] = []
    down(found, paths, run, said.append, merged=own)
    assert removing(run) == removes
    assert said[1].startswith(f"left {own} as it is: This user may not use {own}. ")


# --- stop


def test_what_runs_of_the_lab_is_stopped_and_first_what_would_start_vms_again(
    run: Recorder, found: Found
) -> None:
    machines = labelled(CONTAINERS, MACHINES)
    one, *others = [raw for raw in labelled(CONTAINERS, OWN) if raw not in machines]
    lists_containers(run, FIRST, machines)
    rest = [tools.stopped(one), *map(tools.stopped, machines), *others]
    lists_containers(run, [LAB], rest)
    names = sorted(raw["Name"][1:] for raw in others)
    argvs = [
        ["docker", "stop", "--time", "10", "vpc-native-machines"],
        ["docker", "stop", "--time", "10", *names],
    ]
    for argv in argvs:
        run.handle(argv)
    said: list[str] = []
    stop(found, run, said.append)
    assert [argv for argv in run.argvs if argv[1] == "stop"] == argvs
    assert said == ["stopped 8 containers; `invoke start` or `invoke up` brings them back"]


def test_a_stopped_lab_is_left_alone(run: Recorder, found: Found) -> None:
    lists_containers(run, FIRST, [tools.stopped(raw) for raw in labelled(CONTAINERS, MACHINES)])
    lists_containers(run, [LAB], [tools.stopped(raw) for raw in recorded("containers")])
    stop(found, run, lambda _: None)
    assert run.times("docker", "stop") == 0


def test_the_recorded_routes_are_those_of_the_recorded_plan(found: Found) -> None:
    pools = {cluster.external_pool for cluster in found.plan.clusters}
    own = {IPv4Network(r["dst"]) for r in recorded("routes") if r.get("protocol") == "71"}
    assert own == {*found.plan.made_up_ranges(), *pools}

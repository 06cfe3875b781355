"""The doctor's whole look at a host, answered from recordings; and what it prints."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gkelab.errors import LabError
from gkelab.host.checks import Finding, Supply
from gkelab.host.doctor import draw, examine, failing, refuse
from gkelab.host.facts import GIB, HostFacts
from gkelab.shell import Runner
from gkelab.supply.pins import SupplierName
from gkelab.topology import Claim, load, resolve
from tests.support.recorder import Recorder
from tests.unit.host.fakes import FACTS, VERSION, installed, recorded

PATH = Path(__file__).parents[3] / "clusters" / "vpc-native.yaml"
ALL = ("docker", "dockerd", "iptables", "ip", "jq", "mmdebstrap", "sysctl")
LS = "docker network ls --no-trunc --quiet"
PS = "docker ps --all --no-trunc --quiet --filter label=gkelab.lab"
ROUTES = "ip -json -4 route show"
# What `docker network inspect bridge` says, less what nobody reads.
BRIDGE: dict[str, Any] = {
    "Id": "a14fe5a09ee4",
    "Name": "bridge",
    "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]},
    "Containers": {},
    "Options": {"com.docker.network.bridge.name": "docker0"},
    "Labels": {},
}
DEFAULT_ROUTE = {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}
OWN_ROUTES: list[dict[str, str]] = [
    DEFAULT_ROUTE,
    {"dst": "172.17.0.0/16", "dev": "docker0", "protocol": "kernel"},
    {"dst": "10.128.0.0/20", "dev": "br-8cc22e09e715", "protocol": "kernel"},
    {"type": "unreachable", "dst": "198.51.100.0/24", "protocol": "71"},
]


def machine(
    networks: Sequence[Mapping[str, Any]] = (BRIDGE,),
    containers: Sequence[Mapping[str, Any]] = (),
    routes: Sequence[Mapping[str, str]] = (DEFAULT_ROUTE,),
) -> Recorder:
    """A host with these docker networks, labelled containers, and routes."""
    of_labs = [network for network in networks if network["Labels"]]
    run = recorded(
        {
            VERSION: "28.2.2\n",
            ROUTES: json.dumps(routes),
            LS: "\n".join(network["Id"] for network in networks),
            f"{LS} --filter label=gkelab.lab": "\n".join(n["Id"] for n in of_labs),
            PS: "\n".join(container["Id"] for container in containers),
            # No node was added to a lab, and none taken away.
            f"{PS} --filter label=gkelab.node": "",
            "docker volume ls --quiet --filter label=gkelab.lab --filter label=gkelab.away": "",
        }
    )
    for kind, listed in (("network", networks), ("network", of_labs), ("container", containers)):
        ids = [each["Id"] for each in listed]
        run.handle(["docker", kind, "inspect", *ids], json.dumps(listed))
    return run


def lab_network(name: str = "vpc-native") -> dict[str, Any]:
    plan = resolve(load(PATH))
    labels = {"gkelab.lab": name, "gkelab.plan": json.dumps(plan.to_dict())}
    labels["gkelab.images"] = "upstream"
    config = {"Config": [{"Subnet": "10.128.0.0/20"}]}
    return {**BRIDGE, "Id": "8cc22e09e715", "Name": "lab", "IPAM": config, "Labels": labels}


def lab_container(name: str, state: str, lab: str = "vpc-native") -> dict[str, Any]:
    return {
        "Id": name,
        "Name": f"/{name}",
        "State": {"Status": state},
        "Config": {"Image": "node", "Labels": {"gkelab.lab": lab}},
        "NetworkSettings": {"Networks": {}},
        "Mounts": [],
    }


def supply(existing: SupplierName | None) -> Supply:
    return Supply(existing or "built", "As the test has it.", cold=False)


def nothing_in_use(_: Runner) -> list[Claim]:
    return []


def look(
    run: Runner,
    facts: HostFacts = FACTS,
    *,
    supplying: Callable[[SupplierName | None], Supply] = supply,
    host_setup: bool = True,
    in_use: Callable[[Runner], Sequence[Claim]] = nothing_in_use,
) -> dict[str, Finding]:
    found = examine(PATH, run, facts, supplying, host_setup=host_setup, in_use=in_use)
    return {finding.check: finding for finding in found}


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *ALL)


def test_a_good_host() -> None:
    found = look(machine())
    assert {finding.level for finding in found.values()} == {"ok"}
    assert failing(list(found.values())) == []
    refuse(list(found.values()))
    assert found["docker"].seen == "version 28.2.2 answers"


def test_it_only_looks() -> None:
    run = machine([BRIDGE, lab_network()], [lab_container("one", "exited")], OWN_ROUTES)
    look(run, replace(FACTS, inotify_instances=1))
    allowed = {"version", "ls", "inspect", "ps", "show"}
    for argv in run.argvs:
        assert allowed & set(argv[1:5]), argv


def test_a_host_without_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    found = look(Recorder())
    levels = {check: finding.level for check, finding in found.items() if finding.level != "ok"}
    assert levels == {
        "docker": "prepare",
        "programs": "prepare",
        "addresses": "note",
        "earlier lab": "note",
    }
    assert found[
        "programs"
    ].remedy == "`up` does it: installing docker.io, iptables, iproute2, " + ("mmdebstrap")
    forbidden = look(Recorder(), host_setup=False)
    assert [f.check for f in failing(list(forbidden.values()))] == ["programs", "docker"]
    assert "\ndockerd &" in forbidden["docker"].remedy
    with pytest.raises(
        LabError, match=r"programs: not all are installed \(and 1 more: invoke doctor\)"
    ):
        refuse(list(forbidden.values()))


def test_packages_are_those_of_the_supplier(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, *(name for name in ALL if name != "mmdebstrap"))
    assert look(machine())["programs"].level == "prepare"
    upstream = Supply("upstream", "It answers.", cold=False)
    assert look(machine(), supplying=lambda _: upstream)["programs"].level == "ok"


def test_no_root() -> None:
    found = look(machine(), replace(FACTS, root=False, inotify_instances=1))
    bad = [finding.check for finding in failing(list(found.values()))]
    assert bad == ["root", "inotify limits"]
    assert found["inotify limits"].remedy == (
        "run, as root:\nsysctl -w fs.inotify.max_user_instances=1024"
    )


def test_a_supplier_that_cannot_be() -> None:
    def refused(_: SupplierName | None) -> Supply:
        raise LabError("No registry answers", "say --images=built")

    found = look(machine(), supplying=refused)["images"]
    assert found == Finding("images", "fail", "No registry answers", "say --images=built")


def test_address_conflicts() -> None:
    taken = {**BRIDGE, "Id": "1", "Name": "other", "Options": {}}
    taken["IPAM"] = {"Config": [{"Subnet": "10.128.0.0/16"}]}
    by_network = look(machine([BRIDGE, taken]))["addresses"]
    assert by_network.level == "fail"
    assert by_network.seen.endswith("overlaps docker network other 10.128.0.0/16")

    vpn = {"dst": "192.168.240.0/24", "dev": "tun0", "protocol": "static"}
    by_route = look(machine(routes=[DEFAULT_ROUTE, vpn]))["addresses"]
    assert by_route.level == "fail"
    assert by_route.seen.endswith("overlaps the host's route via tun0 192.168.240.0/24")

    claim = Claim(IPv4Network("203.0.113.8"), "the address of this host's name server")
    by_use = look(machine(), in_use=lambda _: [claim])["addresses"]
    assert by_use.level == "fail"
    assert by_use.seen.endswith("overlaps the address of this host's name server 203.0.113.8/32")


def test_without_docker_its_bridges_are_no_conflict() -> None:
    def stopped(*more: Mapping[str, str]) -> Finding:
        run = Recorder()
        run.handle(VERSION.split(), code=1, stderr="Cannot connect")
        run.handle(ROUTES.split(), json.dumps([*OWN_ROUTES, *more]))
        return look(run)["addresses"]

    assert stopped().level == "note"
    assert stopped({"dst": "10.128.0.0/20", "dev": "tun0"}).level == "fail"


def test_a_wrong_topology(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\n")
    found = examine(path, machine(), FACTS, supply, in_use=nothing_in_use)
    (bad,) = failing(found)
    assert bad.check == "addresses"
    assert "mine.yaml" in bad.seen


@pytest.mark.parametrize("states", [["running", "running"], ["exited", "exited"], []])
def test_an_earlier_lab_is_no_obstacle(states: list[str]) -> None:
    containers = [lab_container(f"node{index}", state) for index, state in enumerate(states)]
    run = machine([BRIDGE, lab_network()], containers, OWN_ROUTES)
    found = look(run)
    assert failing(list(found.values())) == []
    running, stopped = states.count("running"), states.count("exited")
    assert found["earlier lab"].level == "note"
    assert found["earlier lab"].seen == (
        f"lab vpc-native: {running} containers running, {stopped} stopped"
    )
    assert found["images"].seen == "upstream (As the test has it)"  # the lab's, by its label


def test_another_lab_is_one() -> None:
    other = lab_network()
    plan = json.loads(other["Labels"]["gkelab.plan"])
    plan["topology"]["name"] = "other"
    other["Labels"] |= {"gkelab.lab": "other", "gkelab.plan": json.dumps(plan)}
    found = look(machine([BRIDGE, other], routes=OWN_ROUTES))
    assert [f.check for f in failing(list(found.values()))] == ["addresses"]
    assert "overlaps" in found["addresses"].seen
    assert found["earlier lab"].remedy == "none needed: it is left as it is"


def test_containers_without_their_networks() -> None:
    found = look(machine(containers=[lab_container("one", "exited", lab="gone")]))["earlier lab"]
    assert found.level == "note"
    assert found.remedy.startswith("its networks are gone")


def test_a_damaged_record() -> None:
    damaged = lab_network()
    damaged["Labels"]["gkelab.plan"] = "{}"
    found = look(machine([BRIDGE, damaged]))
    assert found["earlier lab"].level == "fail"
    assert "invoke down" in found["earlier lab"].remedy


def test_no_room() -> None:
    found = look(machine(), replace(FACTS, disk_free=GIB, memory_available=GIB))
    assert [f.check for f in failing(list(found.values()))] == ["memory", "disk"]


def test_the_table() -> None:
    findings = [
        Finding("docker", "ok", "version 28.2.2 answers"),
        Finding("addresses", "fail", "subnets[0] overlaps", "run:\necho '[bold]'"),
        Finding("inotify limits", "prepare", "few", "`up` does it: raising them"),
        Finding("cgroup", "note", "version 1"),
    ]
    out = io.StringIO()
    draw(findings, Console(file=out, width=100))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert lines == [
        "status check what was seen remedy",
        "ok docker version 28.2.2 answers",
        "fails addresses subnets[0] overlaps run:",
        "echo '[bold]'",
        "`up` does it inotify limits few `up` does it: raising them",
        "note cgroup version 1",
        "`up` would fail: addresses",
    ]
    good = io.StringIO()
    draw(findings[:1], Console(file=good))
    assert good.getvalue().splitlines()[-1] == "`up` can bring the lab up here"
